"""Real inputs for pure inference: items of the pictures, prepared once, in files that all backends' processes share.

No two calls in a row get the same batch, nor in any row of it the same item: a network, a cache or a driver that knows
its input already would be faster than it is.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ascend_tools.benchmark.plan import Model, Plan
from common import cli
from common.engine.task import Source
from common.errors import GuideError, about
from common.files import make_folder
from common.threads import map_threads

Array = NDArray[Any]
MEMORY = 2**30  # bytes of all items
_FEWEST = 32  # items, where there are as many pictures: for batches of 1, too, inputs are to change


@dataclass(frozen=True)
class Inputs:
    """Prepared items: one .npy file for each input of the network, in `folder`.

    Row i of a file is item i modulo `items`, so that every batch of up to `largest` is a piece of it.
    """

    folder: Path
    names: tuple[str, ...]
    items: int
    largest: int
    data: Path
    pictures: int
    sample: bool

    def as_data(self) -> dict[str, Any]:
        """Return what a record says of the inputs."""
        which = "the model's sample pictures" if self.sample else str(self.data)
        return {
            "data": str(self.data),
            "sample": self.sample,
            "pictures": self.pictures,
            "items": self.items,
            "pure": f"{cli.counted(self.items, 'different item')} of {which}; the batch changes from call to call",
            "end_to_end": f"{cli.counted(self.pictures, 'picture')} of {which}, again and again where they are few; from the "
            "second time on they come from memory, not from the disk",
        }


def prepare(plan: Plan, model: Model, folder: Path) -> Inputs:
    """Prepare items of the data set, spread over it, and write them to `folder`, a GiB at most."""
    data = plan.data or model.write_sample(plan.out / "sample")
    sources = model.sources(data)
    cli.announce(f"preparing inputs from {data}")
    names = list(sources)
    first, _ = _prepared(model, sources, names[0]) if names else ({}, b"")
    size = sum(array.nbytes for array in first.values())
    room = MEMORY // max(size, 1)
    largest = min(max(plan.sizes), max(room - 1, 1))
    count = min(len(names), max(_FEWEST, 2 * largest), room - largest + 1)
    wanted = [names[k * len(names) // count] for k in range(count)] if count > 0 else []
    make_folder(folder)
    files = {
        name: _file(folder / f"{k}.npy", array, count + largest - 1)
        for k, (name, array) in enumerate(first.items())
        if count > 1
    }
    seen: set[bytes] = set()
    prepared = map_threads(lambda name: _prepared(model, sources, name), wanted, plan.workers)
    for inputs, digest in cli.progress(prepared, len(wanted), "prepare"):
        if digest not in seen and files:
            for name, file in files.items():
                file[len(seen)] = inputs[name]
            seen.add(digest)
    if len(seen) < 2:
        alike = " that are all the same" if len(names) > 1 else ""
        raise GuideError(
            f"{data}: expected two different pictures at least, found {cli.counted(len(names), 'picture')}{alike}; an input "
            "that never changes measures nothing. Name a larger data set with --data."
        )
    for file in files.values():
        for row in range(len(seen), len(seen) + largest - 1):
            file[row] = file[row - len(seen)]
        file.flush()
    return Inputs(folder, tuple(files), len(seen), largest, data, len(names), plan.data is None)


def _file(path: Path, item: Array, count: int) -> np.memmap[Any, np.dtype[Any]]:
    """Make a file for so many arrays like one, and return it as an array; a full disk is told here, and is no SIGBUS later."""
    file = np.lib.format.open_memmap(path, "w+", item.dtype, (count, *item.shape))
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as opened:
            try:
                os.posix_fallocate(opened.fileno(), 0, path.stat().st_size)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from error
    return file


def _prepared(model: Model, sources: Mapping[str, Source], name: str) -> tuple[Mapping[str, Array], bytes]:
    """Return the inputs of an item, and a hash of them."""
    with about(name):
        inputs, _ = model.task.prepare(sources[name])
    digest = hashlib.blake2b()
    for array in inputs.values():
        digest.update(np.ascontiguousarray(array).data)
    return inputs, digest.digest()


class Batches:
    """Batches of a size, one after the other, of items that `prepare` wrote."""

    def __init__(self, folder: Path, names: Sequence[str], items: int, size: int) -> None:
        # Copy on write: torch takes no array that may not be written.
        self._files = {name: np.load(folder / f"{k}.npy", mmap_mode="c") for k, name in enumerate(names)}
        self._items, self._size = items, size
        self._step = next(
            step for step in range(max(size % items, 1), 2 * items) if math.gcd(step, items) == 1
        )
        for file in self._files.values():  # into this process' memory now, and not while it is measured
            file[: items + size - 1].reshape(-1).view(np.uint8)[::4096].max()

    @property
    def distinct(self) -> int:
        """How many batches there are before the first comes again."""
        return self._items

    def feeds(self, number: int) -> dict[str, Array]:
        """Return batch `number`, counted from 0: arrays by input name, which no copy was made of."""
        return self.at(number * self._step)

    def at(self, item: int) -> dict[str, Array]:
        """Return the batch that begins with an item, counted from 0 and on from the first after the last."""
        start = item % self._items
        return {name: np.asarray(file[start : start + self._size]) for name, file in self._files.items()}
