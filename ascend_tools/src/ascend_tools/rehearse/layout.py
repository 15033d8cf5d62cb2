"""The directory of a rehearsal: laid out as the toolkit's, with stand-ins for its programs and Python packages."""

from __future__ import annotations

import platform
import shlex
import sys
from pathlib import Path

import ascend_tools
import common
from ascend_tools.rehearse import machine, onnxruntime_cann, settings
from common import rehearsal
from common.errors import GuideError
from common.files import json_text, make_folder, write_text

# Program to the module of this package whose `main` it calls.
PROGRAMS = {
    "atc": "atc",
    "aoe": "aoe",
    "npu-smi": "npu_smi",
    "msame": "msame",
    "trtexec": "trtexec",
    "benchmark.x86_64": "benchmark",
    "benchmark.aarch64": "benchmark",
}
# File of a Python package to the module of this package that it gives out as itself.
PYTHON: dict[str, str | None] = {
    "acl.py": "acl",
    "aclruntime.py": "aclruntime",
    "ais_bench/__init__.py": None,
    "ais_bench/infer/__init__.py": None,
    "ais_bench/infer/interface.py": "ais_interface",
    "ais_bench/infer/summary.py": "ais_summary",
}
# Files that are run by Python, to the module whose `main` they call.
SCRIPTS = {"ais_bench/__main__.py": "ais_bench", "ais_infer/ais_infer.py": "ais_infer"}
FRONTEND = "ais_infer/frontend/__init__.py"
_BY = "written by python -m ascend_tools.rehearse; no NPU is used"


def write(folder: Path, given: settings.Settings) -> None:
    """Write a rehearsal's directory, or write it again; one that is not a rehearsal's is left alone, and an error."""
    folder = folder.resolve()
    if any(character in str(folder) for character in ":\n"):
        raise GuideError(
            f"{str(folder)!r}: PATH cannot hold a directory with a colon in it; choose another name."
        )
    if folder.exists() and not folder.is_dir():
        raise GuideError(f"{folder}: exists and is no directory; choose another name.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / settings.FILE).is_file():
        raise GuideError(f"{folder}: is not empty and no rehearsal's; choose another directory, or empty it.")
    make_folder(folder)
    # First: what is written halfway is a rehearsal's, and is written again.
    write_text(
        folder / settings.FILE, json_text({name: getattr(given, name) for name in given.__struct_fields__})
    )
    write_text(folder / "set_env.sh", _set_env(folder, given))
    write_text(folder / "programs" / "run.py", _run())
    for name, module in PROGRAMS.items():
        _program(folder, f"bin/{name}", module)
    # Not in bin: the user's own python3 stays the first on PATH.
    _program(folder, "atc-python/python3", "atc_python")
    machine.write(folder, given)
    _python(folder / "python")
    info = f"package_name=Ascend-cann-toolkit\nversion={given.cann}\narch={platform.machine()}\nos=linux\n"
    write_text(folder / machine.arch() / "ascend_toolkit_install.info", info)
    make_folder(folder / machine.arch() / "lib64")
    write_text(folder / "opp" / "version.info", f"Version={given.cann}\n")


def _reach() -> str:
    """Return the lines with which a stand-in finds `ascend_tools` and `common`, whichever Python runs it.

    Their sources come first, before copies that are installed; a directory of packages of another Python comes last.
    """
    files = [module.__file__ for module in (ascend_tools, common)]
    places = sorted({str(Path(file).resolve().parents[1]) for file in files if file})
    last = [place for place in places if Path(place).name in ("site-packages", "dist-packages")]
    first = [place for place in places if place not in last]
    missing = "place for place in {} if place not in sys.path"
    lines = [f"sys.path[:0] = [{missing.format(first)}]"] if first else []
    lines += [f"sys.path += [{missing.format(last)}]"] if last else []
    return "\n".join(lines)


def _set_env(folder: Path, given: settings.Settings) -> str:
    libraries = "\n".join(
        f"""case ":${{LD_LIBRARY_PATH:-}}:" in
    *":${rehearsal.VARIABLE}/{name}:"*) ;;
    *) export LD_LIBRARY_PATH="${rehearsal.VARIABLE}/{name}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}" ;;
esac"""
        for name in ("driver/lib64", f"{machine.arch()}/lib64")
    )
    return f"""# Settings of a rehearsal of the NPU's tools, for bash, sh and zsh: source {shlex.quote(str(folder / "set_env.sh"))}
# {_BY[0].upper()}{_BY[1:]}.
export {rehearsal.VARIABLE}={shlex.quote(str(folder))}
export ASCEND_TOOLKIT_HOME="${rehearsal.VARIABLE}"
export ASCEND_HOME_PATH="${rehearsal.VARIABLE}"
export ASCEND_OPP_PATH="${rehearsal.VARIABLE}/opp"
export ASCEND_AICPU_PATH="${rehearsal.VARIABLE}"
case ":${{PATH:-}}:" in
    *":${rehearsal.VARIABLE}/bin:"*) ;;
    *) export PATH="${rehearsal.VARIABLE}/bin${{PATH:+:$PATH}}" ;;
esac
case ":${{PYTHONPATH:-}}:" in
    *":${rehearsal.VARIABLE}/python:"*) ;;
    *) export PYTHONPATH="${rehearsal.VARIABLE}/python${{PYTHONPATH:+:$PYTHONPATH}}" ;;
esac
{libraries}
[ -d "${rehearsal.VARIABLE}/bin" ] || echo "${rehearsal.VARIABLE}: the rehearsal is no longer there; \
write it again: python -m ascend_tools.rehearse DIR" >&2
# {given.soc}, {given.chips} of them
"""


def _run() -> str:
    """Return the program behind all: it imports nothing from the working directory, which is often a model's."""
    return f'''"""Call the `main` of a stand-in: run.py PROGRAM MODULE WORD... ({_BY})."""

import importlib
import sys

sys.path[0:1] = []
{_reach()}
sys.argv = sys.argv[1:]
sys.exit(importlib.import_module(f"ascend_tools.rehearse.{{sys.argv.pop(1)}}").main())
'''


def _program(folder: Path, name: str, module: str) -> None:
    path = folder / name
    words = shlex.join([sys.executable, str(folder / "programs" / "run.py"), path.name, module])
    text = f'#!/bin/sh\n# {_BY}\nexport {rehearsal.VARIABLE}={shlex.quote(str(folder))}\nexec {words} "$@"\n'
    write_text(path, text)
    path.chmod(0o755)


def _python(folder: Path) -> None:
    reach = f"import sys\n\n{_reach()}\n"
    for name, module in PYTHON.items():
        text = f'"""A stand-in, {_BY}."""\n'
        if module:
            text += f"\n{reach}\nimport ascend_tools.rehearse.{module} as stand_in\n\nsys.modules[__name__] = stand_in\n"
        write_text(folder / name, text)
    for name, module in SCRIPTS.items():
        text = f'"""A stand-in, {_BY}."""\n\n{reach}\nfrom ascend_tools.rehearse.{module} import main\n\nsys.exit(main())\n'
        write_text(folder / name, text)
    runtime = folder.parent / "onnxruntime-cann"
    call = "sys.modules[__name__] = stand_in.load(__file__)"
    text = f'"""A stand-in, {_BY}."""\n\n{reach}\nimport ascend_tools.rehearse.onnxruntime_cann as stand_in\n\n{call}\n'
    write_text(runtime / "onnxruntime" / "__init__.py", text)
    metadata = f"Metadata-Version: 2.1\nName: onnxruntime-cann\nVersion: {onnxruntime_cann.VERSION}\n"
    write_text(runtime / f"onnxruntime_cann-{onnxruntime_cann.VERSION}.dist-info" / "METADATA", metadata)
    # Of aclruntime there is none: its version is the module's own, which a fault changes.
    metadata = "Metadata-Version: 2.1\nName: ais_bench\nVersion: 0.0.2\n"
    write_text(folder / "ais_bench-0.0.2.dist-info" / "METADATA", metadata)
    write_text(folder / FRONTEND, f'"""What ais_infer.py imports beside itself; {_BY}."""\n')
