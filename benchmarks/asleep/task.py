"""What is done before and after a network that only waits: waiting, too."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import numpy as np

from common.engine.task import Array, Inputs, Outputs, Task

IMAGE = np.zeros(1, np.float32)


def waiting(prepare: float, finish: float, size: int) -> Task[Path, None, Array]:
    """Return a task whose parts take as many seconds for each item; a result is an array of `size` bytes, uint8."""
    return Task(partial(_prepare, prepare), partial(_finish, finish, size))


def _prepare(seconds: float, _: Path) -> tuple[Inputs, None]:
    if seconds:
        time.sleep(seconds)
    return {"image": IMAGE}, None


def _finish(seconds: float, size: int, _: Outputs, __: None) -> Array:
    if seconds:
        time.sleep(seconds)
    return np.ones(size, np.uint8)
