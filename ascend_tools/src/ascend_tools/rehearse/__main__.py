"""Set up a rehearsal: stand-ins for the NPU's tools, for a machine that has no NPU."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from ascend_tools.rehearse import faults, layout, settings
from common import cli
from common.errors import GuideError

_MOST = 64  # chips; more than any server has


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Write stand-ins for atc, aoe, npu-smi, benchmark, ais_bench, msame, pyACL and trtexec to a directory.

    They check their arguments as the real ones do, and run networks with ONNX Runtime on this machine's CPU. What they
    make is marked as a rehearsal's, and is no NPU's. Source DIR/set_env.sh to use them, as one sources CANN's.
    """
    arguments = cli.parser(main.__doc__, prog="python -m ascend_tools.rehearse")
    add = arguments.add_argument
    add(
        "folder", type=Path, nargs="?", metavar="DIR", help="The directory to write; it may be a rehearsal's."
    )
    add(
        "--soc",
        default=settings.SOC,
        metavar="S",
        help="The chip to stand in for, as ATC names it (default: %(default)s).",
    )
    add("--chips", type=cli.positive_int, default=1, metavar="N", help="How many chips (default: 1).")
    add(
        "--per-card",
        type=cli.positive_int,
        default=0,
        metavar="N",
        help="How many of them share a card (default: 4 of Ascend310, 2 of Ascend910_9392 and its like, else 1; of 310P "
        "chips a Duo has 2).",
    )
    add(
        "--half",
        action="store_true",
        help="Have OM files compute in half precision as ATC's options say, emulated on the CPU, which takes up to three "
        "times as long (default: in float32, whatever they say).",
    )
    add("--faults", action="store_true", help="List the faults that the stand-ins make on request, and end.")
    options = arguments.parse_args(argv)
    if options.faults:
        width = max(map(len, faults.FAULTS))
        print(f"On request, as in {faults.VARIABLE}=result-short,nan (a device's: device-taken:1):")
        print("\n".join(f"  {name:{width}}  {says}" for name, says in faults.FAULTS.items()))
        return 0
    if options.folder is None:
        arguments.error("the following arguments are required: DIR")
    if not re.fullmatch(r"Ascend[0-9][\w-]*", options.soc, re.ASCII):
        raise GuideError(f"--soc: expected a chip as ATC names it, as in Ascend310P3, found {options.soc!r}.")
    if options.chips > _MOST:
        raise GuideError(f"--chips: expected at most {_MOST}, found {options.chips}.")
    made = settings.Settings(options.soc, options.chips, per_card=options.per_card, half=options.half)
    layout.write(options.folder, made)
    script = shlex.quote(str(options.folder.resolve() / "set_env.sh"))
    print(f"{options.folder}: {options.chips} x {options.soc}, without an NPU. Now: source {script}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
