"""Take the padding with -infinity, over which ATC stumbles, out of a simplified ONNX file.

python modify_onnx.py --model=./model/d0_sim.onnx --out=./model/d0_modify.onnx

Names each node it changes, and prints how far the outputs of the file written are from those of torch (--checkpoint) or,
without one, from those of the file read, which pth2onnx.py compared with torch. Both are run as they are written,
without graph optimisations, which would hide the change.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from common import cli
from common.backends.base import fixed_batch, run_batch
from common.backends.deployed import check_network, open_deployed
from common.compare.differences import check_differences, largest_differences, print_differences, spread_of
from common.errors import GuideError, about
from common.export import pin
from common.export.onnx_file import onnx_path, random_inputs
from common.export.torch_file import check_checkpoint
from common.facts import Facts, read_facts
from common.files import staged
from common.graph.outline import describe, load
from patches.infinite_padding import pad_with_zero, pool_with_own_padding

HERE = Path(__file__).resolve().parent
INPUTS = 3  # from which to tell how much an output changes
MODES = {"exact": pool_with_own_padding, "guide": pad_with_zero}
GUIDE = (
    "any, since padding with 0 is meant to give other numbers, wherever all values in a window are negative: the guide's "
    "figure on the NPU was measured with it, evaluate.py measures yours"
)


def modify(source: Path, target: Path, mode: str, facts: Facts) -> list[str]:
    """Write `source` without padding with -infinity to `target`, in the mode "exact" or "guide".

    Returns a line per node changed; a file with other inputs and outputs than the network's is refused, and for "guide"
    one without such padding, whose numbers would not be the guide's.
    """
    proto = load(source)
    check_network(source, describe(proto), facts)
    with about(source):
        changes = MODES[mode](proto)
    if mode == "guide" and not changes:
        raise GuideError(
            f"{source}: no node pads with -infinity, so none can pad with 0. `python -m onnxsim` joins padding and pooling "
            "by itself today; pth2onnx.py writes a simplified file in which they are apart."
        )
    with staged(target) as temporary:
        onnx.save(proto, temporary)
    return changes


def run_plain(path: Path, facts: Facts) -> list[np.ndarray]:
    """Return the outputs of an ONNX file for random inputs, run as it is written: at least INPUTS, in whole batches."""
    with open_deployed(path, None, facts, HERE, optimise=False) as deployed:
        batch = fixed_batch(deployed) or INPUTS
        images = random_inputs(facts, batch * -(-INPUTS // batch))
        parts = [
            run_batch(deployed, {facts.inputs[0].name: images[start : start + batch]})
            for start in range(0, len(images), batch)
        ]
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def measure(
    source: Path, target: Path, checkpoint: Path | None, facts: Facts
) -> tuple[list[float], tuple[float, ...] | None]:
    """Compare `target` with torch, or with `source` without a checkpoint.

    Returns the largest difference of each output, and how much it changes from input to input.
    """
    found = run_plain(target, facts)
    if checkpoint:
        cli.announce(f"starting torch, reading {checkpoint}")
        from common.backends.torch import run_torch
        from efficientdet_coco.network import load_checkpoint

        wanted = run_torch(load_checkpoint(checkpoint), random_inputs(facts, len(found[0])))
    else:
        wanted = run_plain(source, facts)
    return largest_differences(found, wanted).tolist(), spread_of(wanted)


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts = read_facts(HERE)
    target = Path(facts.onnx)
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "--model",
        type=Path,
        default=target.with_name(target.name.replace("_modify", "_sim")),
        metavar="F",
        help="The simplified ONNX file that pth2onnx.py wrote (default: %(default)s).",
    )
    add(
        "--out", type=onnx_path, default=target, metavar="F", help="The file to write (default: %(default)s)."
    )
    add(
        "--mode",
        choices=tuple(MODES),
        default="exact",
        help="exact: MaxPool pads itself, the same numbers as torch (default). guide: padding with 0, other logits.",
    )
    add(
        "--checkpoint", type=Path, metavar="F", help="The weights, to compare with torch itself; needs torch."
    )
    pin.add_argument(arguments)
    options = arguments.parse_args(argv)
    if options.sha256 and not options.checkpoint:
        arguments.error("--sha256 is of the file that --checkpoint names")
    if options.out.resolve() == options.model.resolve():
        raise GuideError(f"{options.out}: is the file that is read; choose another --out.")
    other = "torch" if options.checkpoint else str(options.model)
    if options.checkpoint:
        check_checkpoint(options.checkpoint)
        pin.check(options.checkpoint, options.sha256)
    with staged(options.out) as temporary:
        changes = modify(options.model, temporary, options.mode, facts)
        for change in changes or ["no node pads with -infinity, nothing is to be changed"]:
            print(f"  {change}")
        largest, spread = measure(options.model, temporary, options.checkpoint, facts)
        print(f"difference from {other}, on random inputs:")
        if options.mode == "exact":
            print_differences(facts, largest, spread)
            check_differences(facts, largest, "The file is not kept.", spread=spread, other=other)
        else:
            for tensor, difference in zip(facts.outputs, largest, strict=True):
                print(f"  {tensor.name}: largest difference {difference:.2e}, any is accepted")
            print(f"  {GUIDE}")
    print(f"{options.out}: {cli.counted(len(changes), 'node')} changed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
