"""Which ways each model directory at hand is ready for, and the one command that makes the others so.

A way's cell is a list of what is still to be done; where all of that are commands, they are joined to one.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_tools import at_hand
from ascend_tools.doctor import files, requirements
from ascend_tools.doctor.check import Check, Level, Status
from ascend_tools.doctor.steps import Machine, Step, joined, pip, python
from common.errors import GuideError

if TYPE_CHECKING:
    from common.facts import Facts

WAYS = ("export", "onnxruntime", "openvino", "atc", "om", "trtexec", "cuda", "torch")
_SECONDS = 120.0  # for the files of all models; reading all five networks takes about ten
_GPU = "It takes an NVIDIA GPU with its driver (nvidia-smi shows both), on this machine or another."
_CUDA = "CUDAExecutionProvider"


@dataclass(frozen=True)
class Cell:
    """One model and one way.

    Attributes:
        status: OK where it is ready.
        next: the one command that makes it so; a sentence where no command can, "" where it is ready.
        here: whether this machine has anything for the way at all.
    """

    status: Status
    next: str = ""
    here: bool = True

    def as_json(self) -> dict[str, str]:
        """Return the cell as `ready`, `missing` or `wrong`, with the command."""
        return {"status": "ready" if self.status is Status.OK else self.status.value, "next": self.next}


@dataclass(frozen=True)
class Row:
    """A model directory's cells by way."""

    model: str
    ways: Mapping[str, Cell]

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON holds it."""
        return {"model": self.model, "ways": {way: cell.as_json() for way, cell in self.ways.items()}}


def folders(named: Sequence[Path]) -> list[Path]:
    """Return the model directories that are named, else the one that one stands in, else those below it."""
    for folder in named:
        if not (folder / "model.toml").is_file():
            raise GuideError(
                f"{folder}: is no model directory, it has no model.toml; name one, or leave it out."
            )
    if named:
        return list(named)
    here = Path()
    return [here] if (here / "model.toml").is_file() else sorted(path.parent for path in _below(here))


def _below(here: Path) -> list[Path]:
    try:
        return [path for path in here.glob("*/model.toml") if path.is_file()]
    except OSError:  # no such directory any more, or one that may not be read
        return []


def rows(places: Sequence[Path], checks: Iterable[Check], level: Level) -> list[Row]:
    """Return a row for each model directory, from what was found on the machine and the files that lie there.

    At the quick level files are only looked for, not read.
    """
    machine = Machine({check.id: check for check in checks})
    read: dict[Path, Facts | str] = {folder: _facts(folder) for folder in places}
    asked = [
        (str(folder), kind, str(path))
        for folder, facts in read.items()
        if not isinstance(facts, str)
        for kind, paths in _kinds(facts, folder)
        for path in paths
    ]
    told = {} if level is Level.QUICK else files.problems(asked, machine.soc, _SECONDS)
    return [_row(folder, facts, machine, told) for folder, facts in read.items()]


def _row(folder: Path, facts: Facts | str, machine: Machine, told: Mapping[str, str]) -> Row:
    """Return a model's row; where model.toml cannot be read, or something fails here, all of it says so."""
    problem = facts
    if not isinstance(facts, str):
        try:
            return Row(facts.name, _Model(folder, facts, machine, told).cells())
        except Exception as error:  # noqa: BLE001  the other rows go on
            problem = f"{type(error).__name__}: {error}"
    cell = Cell(Status.WRONG, str(problem))
    return Row(_name(folder), dict.fromkeys((*WAYS, *machine.providers), cell))


def _facts(folder: Path) -> Facts | str:
    """Return model.toml, or why it cannot be read."""
    try:
        from common.facts import read_facts

        return read_facts(folder)
    except (GuideError, OSError) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  a package that is broken raises what it likes
        name = error.name if isinstance(error, ImportError) else None
        return f"{pip()} {name}" if name else f"{type(error).__name__}: {error}"


def _name(folder: Path) -> str:
    return folder.name or Path(os.path.abspath(folder)).name  # noqa: PTH100  links are kept


def _kinds(facts: Facts, folder: Path) -> list[tuple[str, list[Path]]]:
    """Return the files of a model by what they are looked at as."""
    return [
        ("onnx", at_hand.onnx_files(facts, folder)),
        ("atc", at_hand.atc_files(facts, folder) if facts.atc.onnx else []),
        ("om", [path for _, path in at_hand.om_files(facts, folder)]),
        ("checkpoint", list(at_hand.checkpoints(facts, folder))[:1]),
    ]


@dataclass(frozen=True)
class _Model:
    """One model directory; `told` says what is wrong with its files."""

    folder: Path
    facts: Facts
    machine: Machine
    told: Mapping[str, str]

    def cells(self) -> dict[str, Cell]:
        """Return the cells by way."""
        machine, onnx = self.machine, self._onnx("onnx")
        runtime = self._packages("requirements.txt") or machine.one("backend.onnxruntime")
        openvino = self._packages("requirements.txt", "requirements-openvino.txt") or machine.one(
            "backend.openvino"
        )
        gpu = machine.is_ok("gpu.driver")
        trtexec = gpu or machine.is_ok("gpu.trtexec")
        nothing = [Step(_GPU, is_command=False)]
        cuda = [] if _CUDA in machine.providers.values() else [Step(_cuda_command())]
        return {
            "export": _cell(self._packages("requirements-export.txt") + self._checkpoint()),
            "onnxruntime": _cell(runtime + onnx),
            "openvino": _cell(openvino + onnx),
            "atc": _cell(machine.groups("cann", "atc") + self._onnx("atc")),
            "om": _cell(self._om()),
            "trtexec": _cell(machine.one("gpu.trtexec") + onnx if trtexec else nothing, here=trtexec),
            "cuda": _cell(cuda + runtime + onnx if gpu else nothing, here=gpu or not cuda),
            "torch": _cell(self._torch() + self._checkpoint()),
            **{way: _cell(runtime + onnx) for way, name in machine.providers.items() if name != _CUDA},
        }

    def _om(self) -> list[Step]:
        """Return what is to be done for an OM that runs here."""
        session = self.machine.session()
        steps = self.machine.groups("npu", "driver", "cann", "inference") + session
        oms = [path for _, path in at_hand.om_files(self.facts, self.folder)]
        if any(not self._problem(path) for path in oms):
            return steps
        onnx = self._usable("atc")
        convert = f"{python()} -m common.atc"
        own = self.folder / (self.facts.atc.onnx or self.facts.onnx)
        if onnx != own:
            name = onnx or Path(at_hand.OUTPUT) / own.name
            convert += f" --model {shlex.quote(str(name.relative_to(self.folder) if onnx else name))}"
        closed = self.machine.groups("npu", "driver", "cann", "atc", "inference")
        return [*closed, *session, *self._onnx("atc"), Step(convert, wrong=bool(oms), folder=self.folder)]

    def _onnx(self, kind: str) -> list[Step]:
        """Return what is to be done for the ONNX file that runs, or for ATC's."""
        if self._usable(kind):
            return []
        damaged = bool(self._paths(kind))
        needed = self._packages("requirements.txt", "requirements-export.txt")
        remove = "".join(
            f"rm {shlex.quote(str(path.relative_to(self.folder)))} && " for path in self._paths(kind)
        )
        return [*needed, Step(f"{remove}{python()} evaluate.py", wrong=damaged, folder=self.folder)]

    def _usable(self, kind: str) -> Path | None:
        return next((path for path in self._paths(kind) if not self._problem(path)), None)

    def _paths(self, kind: str) -> list[Path]:
        find = at_hand.atc_files if kind == "atc" else at_hand.onnx_files
        return find(self.facts, self.folder)

    def _problem(self, path: Path) -> str:
        return self.told.get(str(path), "")

    def _checkpoint(self) -> list[Step]:
        """Return what is to be done for the published checkpoint."""
        wanted = self.facts.checkpoint
        there = next(at_hand.checkpoints(self.facts, self.folder), None)
        if there:
            problem = self._problem(there)
            return [Step(problem, is_command=False, wrong=True)] if problem else []
        if wanted.sha256 or wanted.md5:
            needed = self._packages("requirements.txt", "requirements-export.txt")
            return [*needed, Step(f"{python()} pth2onnx.py", folder=self.folder)]
        place = self.folder / "weights" / wanted.file
        source = f"; it is from {wanted.urls[0]}" if wanted.urls else ""
        return [Step(f"Put the checkpoint at {place}{source}", is_command=False)]

    def _torch(self) -> list[Step]:
        there = requirements.version_of("torch")
        return self.machine.one("backend.torch") if there else self._packages("requirements-export.txt")

    def _packages(self, *names: str) -> list[Step]:
        """Return the command that installs what is missing of requirements files."""
        lacking = [name for name in names if requirements.unmet(self.folder / name)]
        files = " ".join(f"-r {shlex.quote(str(self.folder / name))}" for name in lacking)
        return [Step(f"{pip()} {files}")] if lacking else []


def _cell(steps: Sequence[Step], *, here: bool = True) -> Cell:
    """Return a cell: ready where nothing is to be done, else one command, or the first thing that none can do."""
    if not steps:
        return Cell(Status.OK, here=here)
    status = Status.WRONG if any(step.wrong for step in steps) else Status.MISSING
    words = [step.text for step in steps if not step.is_command][:1]
    return Cell(status, words[0] if words else joined(list(dict.fromkeys(steps))), here)


def _cuda_command() -> str:
    return f'{python()} -m pip uninstall -y onnxruntime && {pip()} "onnxruntime-gpu[cuda,cudnn]"'
