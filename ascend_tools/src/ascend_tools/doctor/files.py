"""Whether the files of the models that lie at hand are what they should be, seen by a child that reads them.

A damaged file cannot end more than the child, and libraries that are missing are said for each file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_tools.doctor.children import ask_own

if TYPE_CHECKING:
    from common.facts import Facts

_CODE = """
import contextlib, io
from pathlib import Path
from ascend_tools.doctor import files
said = {}
for folder, kind, path in asked:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        said[path] = files.problem(Path(folder), kind, Path(path), soc)
    print(json.dumps(said), flush=True)
"""
Asked = tuple[str, str, str]  # directory of the model, kind, path


def problems(asked: Sequence[Asked], soc: str | None, seconds: float) -> dict[str, str]:
    """Return what is wrong with files, in words, by path, "" for those that are right; `soc` is this machine's chip.

    The kinds are `onnx`, `atc`, `om` and `checkpoint`.
    """
    if not asked:
        return {}
    answer = ask_own(_CODE, seconds, asked=asked, soc=soc)
    told = answer.value if isinstance(answer.value, dict) else {}
    return {path: told.get(path, f"could not be read: {answer.problem}") for _, _, path in asked}


def problem(folder: Path, kind: str, path: Path, soc: str | None) -> str:
    """Return what is wrong with one file, in words."""
    try:
        from common.facts import read_facts

        _check(read_facts(folder), kind, path, soc)
    except Exception as error:  # noqa: BLE001  every library has its own
        return str(error) or type(error).__name__
    return ""


def _check(facts: Facts, kind: str, path: Path, soc: str | None) -> None:
    """Raise an error for a file that is not the model's."""
    if kind == "om":
        from common.npu_tools import om_record

        record = om_record.read(path)
        om_record.check(path, soc_version=soc or (record.soc_version if record else None))
    elif kind == "checkpoint":
        from common.export import download
        from common.export.torch_file import check_checkpoint

        check_checkpoint(path)
        guides = facts.checkpoint.guides
        download.verify(path, guides if guides and path.name == guides.file else facts.checkpoint)
    else:
        from common.backends.deployed import check_network
        from common.graph.outline import describe, load

        graph = describe(load(path, check=kind == "onnx"))
        if kind == "onnx":
            check_network(path, graph, facts)
