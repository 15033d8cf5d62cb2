"""Export a FaceBoxes checkpoint to ONNX and compare the export with torch before it is believed.

python pth2onnx.py --checkpoint FaceBoxesProd.pth --out faceboxes-b0.onnx

Without --checkpoint the published one is taken from weights/, downloaded and verified if it is not there.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from common import cli, download
from common.backend import fixed_batch, open_model, run_batch
from common.errors import GuideError
from common.files import staged
from common.model_toml import ModelToml, read_model
from common.onnx_graph import describe, load

if TYPE_CHECKING:  # torch is needed by the functions only, so that --help works where it is not installed
    from faceboxes_fddb.network import FaceBoxes

HERE = Path(__file__).resolve().parent


def published_checkpoint(model: ModelToml) -> Path:
    """Return the published checkpoint in `weights/`, downloaded if it is not there, verified in either case."""
    return download.fetch(model.checkpoint, HERE / "weights")


def export(
    network: FaceBoxes, model: ModelToml, out: Path, batch_size: int | None = None, opset: int = 11
) -> None:
    """Write the network to `out` as ONNX; nothing is left there unless it agrees with torch.

    Args:
        network: in evaluation mode.
        model: names and shapes of inputs and outputs, and the accepted differences.
        out: the .onnx file.
        batch_size: a fixed batch size, or None for a dynamic one.
        opset: the ONNX operator set; ATC of CANN 5.1 reads 11.
    """
    import torch

    names = [tensor.name for tensor in (*model.inputs, *model.outputs)]
    sample = torch.zeros([batch_size or 1, *model.inputs[0].image_shape])
    with staged(out) as temporary:
        with warnings.catch_warnings():  # the exporter that can write opset 11 is deprecated, and says so
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.onnx.export(
                network,
                (sample,),
                str(temporary),
                opset_version=opset,
                dynamo=False,
                input_names=names[:1],
                output_names=names[1:],
                # The published export calls the batch axis "-1".
                dynamic_axes=None if batch_size else {name: {0: "-1"} for name in names},
            )
        _write_output_shapes(temporary, model)
        found = describe(load(temporary)).opset
        if found != opset:
            raise GuideError(
                f"asked torch for opset {opset}, but it wrote {found}; try another version of torch."
            )
        compare(network, model, temporary)


def _write_output_shapes(path: Path, model: ModelToml) -> None:
    """Put the outputs' known sizes in place of the symbols torch writes; only the batch is dynamic."""
    graph = onnx.load(path)
    for value, tensor in zip(graph.graph.output, model.outputs, strict=True):
        for dim, size in zip(value.type.tensor_type.shape.dim[1:], tensor.image_shape, strict=True):
            dim.dim_value = size
    onnx.save(graph, path)


def compare(network: FaceBoxes, model: ModelToml, path: Path) -> None:
    """Run ONNX file and network on the same random pictures, print the largest differences, refuse large ones.

    A dynamic batch is tried with 3 pictures and with the first of them alone, which must give the same rows.
    """
    from faceboxes_fddb.network import run_torch

    deployed = open_model(path)
    count = fixed_batch(deployed) or 3
    generator = np.random.default_rng(0)
    pictures = generator.uniform(-120, 150, [count, *model.inputs[0].image_shape]).astype(np.float32)
    expected = run_torch(network, pictures)
    outputs = run_batch(deployed, pictures)
    alone = run_batch(deployed, pictures[:1])
    deployed.close()
    for tensor, wanted, found, single in zip(model.outputs, expected, outputs, alone, strict=True):
        if wanted.shape != found.shape:
            raise GuideError(
                f"output {tensor.name!r}: torch gives {wanted.shape}, the ONNX file {found.shape}."
            )
        difference = np.maximum(np.abs(wanted - found).max(), np.abs(wanted[:1] - single).max())
        print(
            f"{tensor.name}: largest difference from torch {difference:.2e}, accepted {tensor.tolerance:.0e}"
        )
        if not difference <= (tensor.tolerance or 0):  # also true for NaN
            raise GuideError(
                f"output {tensor.name!r} differs from torch by {difference:.2e}; the export is not kept."
            )


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    model = read_model(HERE)
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "--checkpoint",
        "--trained_model",
        type=Path,
        metavar="F",
        help=f"The weights (default: weights/{model.checkpoint.file} beside this script, downloaded if missing).",
    )
    add(
        "--out",
        "--save_folder",
        type=Path,
        default=Path(model.onnx),
        metavar="F",
        help="The ONNX file to write (default: %(default)s).",
    )
    add(
        "--batch-size",
        type=cli.positive_int,
        metavar="N",
        help="Fix the batch size (default: the batch is dynamic, one file serves every size).",
    )
    add(
        "--opset",
        type=int,
        choices=range(9, 21),
        default=model.opset,
        metavar="N",
        help="The ONNX operator set, 9 to 20 (default: %(default)s, which ATC of CANN 5.1 reads).",
    )
    options = arguments.parse_args(argv)
    if options.out.suffix != ".onnx":
        arguments.error(f"--out: expected the name of an .onnx file, got {str(options.out)!r}")
    from faceboxes_fddb.network import load_checkpoint

    checkpoint = options.checkpoint or published_checkpoint(model)
    export(load_checkpoint(checkpoint), model, options.out, options.batch_size, options.opset)
    print(
        f"{options.out}: {checkpoint.name} as ONNX, opset {options.opset}, batch {options.batch_size or 'dynamic'}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
