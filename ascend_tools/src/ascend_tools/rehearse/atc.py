"""The stand-in for atc: checks its options and the model as the real one does, and writes a rehearsal's OM.

Codes, texts and the exit status are the real one's in form; see `atc_errors`. What the real one converts and a rehearsal
does not (other frameworks, other modes) is told loudly, and is no error of atc's.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from ascend_tools.rehearse import (
    atc_errors,
    atc_flags,
    atc_graph,
    atc_options,
    atc_python,
    atc_shapes,
    faults,
    machine,
    om_file,
    plog,
)
from ascend_tools.rehearse.atc_errors import AtcError
from ascend_tools.rehearse.stand_in import die, hang, no_library, program, say
from common import rehearsal
from common.errors import GuideError

FAILED = 255  # the exit status of all failures
_BEGIN = "ATC start working now, please wait for a moment."
_DONE = "ATC run success, welcome to the next use."
_HELP = """usage: atc <args>
generate an offline model for the NPU from a trained one, or in a rehearsal a file that stands in for it; the options:"""


@program
def main(argv: Sequence[str]) -> int:
    """Convert an ONNX file to a rehearsal's OM."""
    if faults.is_asked("no-driver") and not machine.has_stub():
        return no_library("atc.bin")
    try:
        options = atc_options.read(argv, atc_options.ATC, "atc.bin")
    except atc_options.UsageError as error:
        say(_BEGIN, rehearsal.NOTE)
        print(error, file=sys.stderr, flush=True)
        say("...", atc_errors.FAILED)
        return FAILED
    if "help" in options:
        say(_HELP, *(f"  --{name}" for name in sorted(atc_options.ATC)), rehearsal.NOTE)
        return 0
    if not faults.is_asked("atc:fails-silently"):
        say(_BEGIN, rehearsal.NOTE)
    try:
        check(options)
        om = convert(options)
    except AtcError as error:
        plog.write(options.get("log", "null"), "atc.bin", [("error", f"ErrorNo: 4294967295(failed) {error}")])
        say("...", atc_errors.FAILED, atc_errors.printout(error))
        return FAILED
    if faults.is_asked("atc:fails-silently"):
        return FAILED
    plog.write(
        options.get("log", "null"), "atc.bin", [("debug", f"options: {options}"), ("info", f"wrote {om}")]
    )
    say("...", _DONE)
    return 0


def check(options: dict[str, str], table: dict[str, str | atc_options.Choices] = atc_options.ATC) -> None:
    """Check all options, in the real one's order, and the faults that are asked for."""
    if (code := faults.wanted_code()) is not None:
        raise atc_errors.example(code)
    if reason := atc_python.failure():
        raise AtcError("EC0010", reason)
    if not os.environ.get("ASCEND_OPP_PATH"):
        raise atc_errors.example("E10001")  # of what is not set up without set_env.sh, this is told first
    atc_options.check_values(options, table)
    mode = options.get("mode", "0")
    if mode != "0" or options.get("singleop"):
        raise GuideError(f"--{'singleop' if mode == '0' else f'mode={mode}'} is not rehearsed; --mode=0 is.")
    atc_flags.check_framework(options)
    if "soc_version" in table:
        atc_flags.check_soc(options)
    atc_flags.check_paths(options, table)
    if options["framework"] != "5":
        raise AtcError(
            "E10041", options["model"], trace=[f"--framework={options['framework']} is not ONNX's."]
        )
    atc_flags.check_relations(options)
    atc_shapes.check_dynamic(options, atc_shapes.read_shapes(options.get("input_shape", "")))


def convert(options: dict[str, str], suffix: str = "") -> Path:
    """Check the model, and write the OM and what else atc leaves behind; return the OM's path."""
    model = Path(options["model"])
    proto = atc_graph.read(model)
    atc_graph.check(proto, options, atc_shapes.read_shapes(options.get("input_shape", "")))
    if atc_graph.has_dynamic_parts(proto):
        suffix += f"_linux_{platform.machine()}"
    del proto
    if faults.is_asked("atc:hang"):
        hang()
    om = Path(f"{options['output']}{suffix}.om")
    try:
        om.parent.mkdir(parents=True, exist_ok=True)
        _litter(options)
        if not faults.is_asked("atc:no-om"):
            _write(om, model, options)
    except OSError as error:
        raise AtcError("E19999", f"Write file {error.filename} failed, reason: {error.strerror}") from None
    except GuideError as error:
        if "not rehearsed" in str(error):
            raise
        raise AtcError("E19999", f"Build graph failed. {error}") from None
    return om


def _write(om: Path, model: Path, options: dict[str, str]) -> None:
    """Write the OM, or half of it where such a fault is asked for."""
    om_file.write(om, model, options)
    if faults.is_asked("atc:killed") or faults.is_asked("disk-full"):
        os.truncate(om, om.stat().st_size // 2)
    if faults.is_asked("atc:killed"):
        die()
    if faults.is_asked("disk-full"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(om))


def _litter(options: dict[str, str]) -> None:
    """Leave what the compiler leaves in the working directory."""
    folder = Path(options.get("debug_dir") or ".", "kernel_meta")
    folder.mkdir(parents=True, exist_ok=True)
    note = json.dumps({"rehearsal": rehearsal.NOTE, "model": options["model"]})
    (folder / "te_rehearsal.json").write_text(note + "\n", encoding="utf-8")
    Path("fusion_result.json").write_text(
        json.dumps([{"rehearsal": rehearsal.NOTE}]) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    raise SystemExit(main())
