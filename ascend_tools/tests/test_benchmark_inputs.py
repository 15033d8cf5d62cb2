"""Inputs of the benchmark: real items, batches that change from call to call, in bounded memory."""

from __future__ import annotations

import errno
import os
from itertools import pairwise

import numpy as np
import pytest

from ascend_tools.benchmark import inputs
from ascend_tools.benchmark.inputs import Batches, prepare
from ascend_tools.benchmark.plan import Plan, own_modules
from ascend_tools.testing.tiny_directory import tiny_directory
from common.errors import GuideError
from common.facts import read_facts

__all__ = ["tiny_directory"]


@pytest.fixture
def plan(tiny_directory, tmp_path):
    """A plan for the tiny model directory."""

    def make(**options):
        folder = tiny_directory()
        return Plan(folder, read_facts(folder), tmp_path / "out", workers=2, **options)

    return make


def batches_of(prepared, size):
    return Batches(prepared.folder, prepared.names, prepared.items, size)


def test_the_items_of_a_model(folder, facts, tmp_path):
    model = own_modules(folder)
    prepared = prepare(
        Plan(folder, facts, tmp_path, batch_sizes=(1, 4), workers=2), model, tmp_path / "inputs"
    )
    sources = model.sources(prepared.data)
    assert prepared.sample
    assert prepared.pictures == len(sources)
    assert 2 <= prepared.items <= len(sources)
    first = batches_of(prepared, 1).feeds(0)
    wanted, _ = model.task.prepare(next(iter(sources.values())))
    assert {*first} == {*wanted}
    for name, array in wanted.items():
        np.testing.assert_array_equal(first[name][0], array)
    assert {tensor.name for tensor in facts.inputs} <= {*first}
    assert "sample pictures" in prepared.as_data()["pure"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 10, 16])
def test_no_row_has_the_same_item_twice_in_a_row(size, plan, tmp_path):
    chosen = plan(batch_sizes=(16,))
    batches = batches_of(prepare(chosen, own_modules(chosen.folder), tmp_path / "inputs"), size)
    calls = [batches.feeds(number)["image"] for number in range(12)]
    assert all(call.shape == (size, 4, 6, 3) for call in calls)
    for before, after in pairwise(calls):
        assert all((one != other).any() for one, other in zip(before, after, strict=True))
    assert batches.distinct == len({call.tobytes() for call in calls}) == 5


def test_batches_are_views_that_may_be_written_and_change_no_file(plan, tmp_path):
    chosen = plan()
    prepared = prepare(chosen, own_modules(chosen.folder), tmp_path / "inputs")
    first = batches_of(prepared, 4).feeds(0)["image"]
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(batches_of(prepared, 4).feeds(0)["image"], kept)


@pytest.mark.parametrize(
    ("count", "found"), [(0, "0 pictures;"), (1, "1 picture;"), (3, "3 pictures that are all the same;")]
)
def test_pictures_that_are_all_the_same_are_refused(count, found, plan, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for number in range(count):
        np.save(data / f"{number}.npy", np.zeros((4, 6, 3), np.uint8))
    chosen = plan(data=data)
    with pytest.raises(GuideError, match=f"two different pictures at least, found {found}"):
        prepare(chosen, own_modules(chosen.folder), tmp_path / "inputs")


def test_the_same_picture_twice_counts_once(plan, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for number, value in enumerate([0, 1, 0, 2, 1]):
        np.save(data / f"{number}.npy", np.full((4, 6, 3), value, np.uint8))
    chosen = plan(data=data)
    prepared = prepare(chosen, own_modules(chosen.folder), tmp_path / "inputs")
    assert (prepared.items, prepared.pictures) == (3, 5)
    rows = [batches_of(prepared, 1).at(item)["image"][0, 0, 0, 0] for item in range(4)]
    assert rows == [0, 1, 2, 0]


def test_memory_is_bounded(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "MEMORY", 8 * 72)  # eight pictures
    chosen = plan(batch_sizes=(4, 64))
    prepared = prepare(chosen, own_modules(chosen.folder), tmp_path / "inputs")
    assert prepared.largest == 7
    assert prepared.items == 2
    assert sum(path.stat().st_size for path in prepared.folder.iterdir()) <= 8 * 72 + 128


def test_a_full_disk_is_told_before_anything_is_written(plan, tmp_path, monkeypatch):
    """A file with holes could be made all the same, and writing to it through memory would be a SIGBUS."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    asked = plan()
    with pytest.raises(OSError, match=r"No space left on device: .*0\.npy"):
        prepare(asked, own_modules(asked.folder), tmp_path / "inputs")


def test_a_directory_without_a_task_is_told(tmp_path):
    with pytest.raises(GuideError, match=r"expected a model directory.*found none"):
        own_modules(tmp_path)
