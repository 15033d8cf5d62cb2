"""The record beside an OM file: what it was made from, with what and for which chip, compared before it is run.

An OM runs on the chip it was made for alone, and an OM of another network, or of other options, gives results that look
right; neither can be seen in the file itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from common import rehearsal
from common.errors import GuideError
from common.files import file_hash, read_bytes, write_json
from common.graph.external import network_hash
from common.npu_tools import cann, smi
from common.npu_tools.atc_command import Command

_AGAIN = "Convert it again with `python -m common.atc --force`"


class OmRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of an OM file: `files` are hashes of the files that options name; `bytes`, `sha256` are its own.

    `batch_size` is None where it takes several, `cann` where the version was not told.
    """

    onnx: str
    onnx_hash: str
    options: dict[str, str]
    files: dict[str, str]
    soc_version: str
    cann: str | None
    batch_size: int | None
    tool: str
    rehearsal: bool
    bytes: int
    sha256: str


def path_of(om: Path) -> Path:
    """Return where the record of an OM file is."""
    return om.with_name(f"{om.name}.json")


def write(om: Path, command: Command) -> OmRecord:
    """Write the record of an OM file that a command just made."""
    record = _of(om, command)
    write_json(path_of(om), msgspec.to_builtins(record))
    return record


def read(om: Path) -> OmRecord | None:
    """Return the record of an OM file, None where there is none; a damaged one is an error."""
    path = path_of(om)
    try:
        return msgspec.json.decode(read_bytes(path), type=OmRecord)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GuideError(f"{path}: not the record of an OM file: {error}. {_AGAIN}.") from None


def is_up_to_date(om: Path, command: Command) -> bool:
    """Tell whether an OM file is what a command made from the same contents, and unchanged since.

    Contents, not times, are compared: an ONNX file that was exported again is mostly the same, and one that was copied
    may be another and older.
    """
    try:
        if read(om) != _of(om, command):
            return False
        return not rehearsal.is_rehearsed_om(om) or rehearsal.precision(om) == rehearsal.precision_here()
    except (GuideError, FileNotFoundError):
        return False


def refuse_rehearsed(om: Path) -> None:
    """Refuse a rehearsal's OM file where no rehearsal's settings are."""
    if rehearsal.is_rehearsed_om(om) and not rehearsal.is_active():
        raise GuideError(
            f"{om}: was made in a rehearsal, and no NPU can load it. Make it with CANN's own atc "
            "(python -m common.atc --force), or source the rehearsal's set_env.sh."
        )


def check(om: Path, *, onnx: Path | None = None, soc_version: str | None = None) -> OmRecord | None:
    """Compare an OM file with its record, this machine and the ONNX file where the caller has it, before it is run.

    A difference that makes it useless is an error; a version of CANN that is another one, and a missing record, are notes
    on stderr. `soc_version` is the machine's chip where the caller knows it, else npu-smi is asked. Returns the record.
    """
    refuse_rehearsed(om)
    record = read(om)
    if record is None:
        _note(f"{om}: no record beside it, so what it was made from is not checked")
        return None
    if om.stat().st_size != record.bytes or file_hash(om) != record.sha256:
        raise GuideError(
            f"{om}: not the file that its record {path_of(om).name} is about: it was replaced, or copied in part. "
            f"Copy both again, or remove the record if the file is right. {_AGAIN} otherwise."
        )
    if onnx is not None and network_hash(onnx) != record.onnx_hash:
        raise GuideError(
            f"{om}: made from {record.onnx}, which was not what is in {onnx} now. {_AGAIN}, or name the ONNX file it was "
            "made from."
        )
    here = {soc_version} if soc_version else smi.soc_versions()
    if here and not any(_fits(record.soc_version, soc) for soc in here):
        raise GuideError(
            f"{om}: made for {record.soc_version}, but this machine has {', '.join(sorted(here))}, which cannot run it. "
            f"Convert it for this chip: python -m common.atc --soc-version {min(here)}"
        )
    version = cann.version()
    if version and record.cann and version != record.cann:
        _note(f"{om}: made with CANN {record.cann}, and run with {version}; if it fails, convert it again")
    return record


def check_file(om: Path, option: str, path: Path) -> None:
    """Refuse an OM file whose record says that what an option of ATC names was another file, as of AIPP."""
    record = read(om)
    if record and record.files.get(option) not in (None, file_hash(path)):
        raise GuideError(f"{om}: made with another {path.name} than {path} is now. {_AGAIN}.")


def _fits(made_for: str, soc: str) -> bool:
    """Tell whether an OM for one chip runs on another; npu-smi calls all chips of a kind Ascend910."""
    return made_for == soc or (soc == "Ascend910" and made_for.startswith("Ascend910_"))


def _of(om: Path, command: Command) -> OmRecord:
    return OmRecord(
        onnx=command.onnx.name,
        onnx_hash=network_hash(command.onnx),
        options=command.options,
        files={name: file_hash(path) for name, path in command.files.items()},
        soc_version=command.soc_version,
        cann=cann.version(),
        batch_size=command.batch_size,
        tool=command.tool,
        rehearsal=rehearsal.is_rehearsed_om(om),
        bytes=om.stat().st_size,
        sha256=file_hash(om),
    )


def _note(text: str) -> None:
    print(f"note: {text}.", file=sys.stderr, flush=True)
