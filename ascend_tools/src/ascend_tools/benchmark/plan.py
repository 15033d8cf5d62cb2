"""What is to be measured, as a user asked for it, and the model directory that it is about."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from common.compare.differences import largest_differences
from common.engine.task import Array, Source, Task
from common.errors import GuideError
from common.facts import Facts, Tensor
from common.threads import cores

BATCH_SIZES = (1, 4, 8, 16, 32, 64)  # those of the guides' tables
SILENT = 660.0  # seconds without a word, after which a backend is given up; a model is opened in less


@dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        folder: the model directory.
        facts: what its model.toml says.
        out: where everything is written.
        models: the ONNX and OM files to measure; none for those that lie at hand.
        backends: by name, none for all that are at hand.
        batch_sizes: images per call.
        data: the data set; None for the model's sample pictures.
        devices: the NPU's, none for the first.
        rounds: how often everything is measured.
        seconds: for how long each figure of a round is measured.
        longest: seconds of a call, beyond which a batch size is left out unless it is the smallest.
        workers: threads that prepare pictures, and as many that finish them.
        silent: seconds without a word, after which a backend is given up.
    """

    folder: Path
    facts: Facts
    out: Path
    models: tuple[Path, ...] = ()
    backends: tuple[str, ...] = ()
    batch_sizes: tuple[int, ...] = BATCH_SIZES
    data: Path | None = None
    devices: tuple[int, ...] = ()
    rounds: int = 5
    seconds: float = 2.0
    longest: float = 2.0
    workers: int = field(default_factory=cores)
    silent: float = SILENT

    @property
    def sizes(self) -> tuple[int, ...]:
        """The batch sizes to measure, in order: those that are asked for, or the only one that the network takes."""
        only = self.facts.inputs[0].shape[0]
        return (only,) if isinstance(only, int) else tuple(sorted(set(self.batch_sizes)))


@dataclass(frozen=True)
class Model:
    """What a model directory's own modules say.

    `optional` are the inputs that another form of the network has after those of model.toml; `differences` is how its
    outputs for one item are compared with another network's.
    """

    task: Task[Any, Any, Any]
    sources: Callable[[Path], Mapping[str, Source]]
    write_sample: Callable[[Path], Path]
    optional: tuple[Tensor, ...]
    differences: Callable[[Sequence[Array], Sequence[Array]], Array]


def own_modules(folder: Path) -> Model:
    """Import a model directory's `<package>.task` and `<package>.sample`, and return what is needed of them."""
    package = _package(folder)
    task, sample = _import(folder, f"{package}.task"), _import(folder, f"{package}.sample")
    optional = tuple(value for value in vars(task).values() if isinstance(value, Tensor))
    differences = getattr(task, "differences", largest_differences)
    return Model(task.TASK, task.sources, sample.write_sample, optional, differences)


def evaluate_module(folder: Path) -> ModuleType:
    """Import a model directory's evaluate.py, whose `load` makes the torch network."""
    return _import(folder, "evaluate")


def _package(folder: Path) -> str:
    found = sorted(path.parent.name for path in folder.glob("*/task.py"))
    if len(found) != 1:
        raise GuideError(
            f"{folder.resolve()}: expected a model directory, with one package that has a task.py, found "
            f"{', '.join(found) or 'none'}. Run this command inside a model directory."
        )
    return found[0]


def _import(folder: Path, name: str) -> ModuleType:
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    return importlib.import_module(name)
