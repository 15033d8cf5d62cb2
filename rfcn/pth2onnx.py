"""Export an R-FCN checkpoint to ONNX, in standard operators, and compare it with torch before it is believed.

python pth2onnx.py --input ./faster_rcnn_2_12_5010.pth --output rfcn_1.onnx

There are two forms. The guide's takes the picture alone: regions are not clipped to it and overlaps are plain; that is
what rfcn_adapt.py makes ready for the NPU. The original form takes im_info as well, the picture's size, and computes
what the published figure was measured with. Without --checkpoint the published one is taken from weights/, model/ or
this directory.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from common import cli
from common.export.checkpoint import choose
from common.export.onnx_file import add_arguments, write_onnx
from common.facts import Facts, read_facts
from common.files import staged
from rfcn_voc.export_check import compare
from rfcn_voc.standard_head import BODY, attach_head

if TYPE_CHECKING:
    from rfcn_voc.network import Rfcn

HERE = Path(__file__).resolve().parent
FORMS = ("guide", "original")
TRACED = 96  # pixels; the tracer keeps all maps, gigabytes at full size, and the body takes any size
OPSETS = range(11, 17)  # ATC has its operators for regions up to 16


def export_form(network: Rfcn, facts: Facts, out: Path, form: str = "guide", opset: int = 11) -> None:
    """Write the network to `out` as ONNX in one of the forms; nothing is left there unless it agrees with torch."""
    from rfcn_voc.network import Body

    image = np.zeros((1, 3, TRACED, TRACED), np.float32)
    with staged(out) as temporary:
        write_onnx(Body(network).eval(), image, [facts.inputs[0].name], list(BODY), temporary, opset=opset)
        proto = onnx.load(temporary)
        attach_head(proto, published=form == "original")
        onnx.checker.check_model(proto, full_check=True)
        onnx.save(proto, temporary)
        del proto
        compare(network, facts, temporary)


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts = read_facts(HERE)
    arguments = cli.parser(__doc__)
    add_arguments(arguments, facts, checkpoint=["--input"], out=["--output"], batch_size=None, opsets=OPSETS)
    arguments.add_argument(
        "--form",
        choices=FORMS,
        default=FORMS[0],
        help="guide: the picture alone, for the NPU (default). original: with im_info, as published.",
    )
    options = arguments.parse_args(argv)
    checkpoint = choose(options.checkpoint, facts, HERE, options.sha256)  # before torch, which takes seconds
    from rfcn_voc.network import load_checkpoint

    export_form(load_checkpoint(checkpoint), facts, options.out, options.form, options.opset)
    print(f"{options.out}: {checkpoint.name} as ONNX, opset {options.opset}, the {options.form} form")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
