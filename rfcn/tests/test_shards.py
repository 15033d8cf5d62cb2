"""Detections of one part of the data after the other, until they are whole."""

from __future__ import annotations

import numpy as np
import pytest

from common.engine.shard import Shard
from rfcn_voc import shards
from rfcn_voc.detections import read_detections, write_detections
from rfcn_voc.voc import CLASSES, read_voc
from tests.conftest import write_data

NAMES = ["b", "a", "000003", "000001", "x.y", "000002", "é_1"]


@pytest.fixture
def data(tmp_path):
    return read_voc(write_data(tmp_path / "voc", {name: [] for name in NAMES}), need_pictures=False)


@pytest.fixture
def objects(data):
    """Up to six detections a picture, some pictures having none, scores equal here and there."""
    rng = np.random.default_rng(0)
    found = {}
    for i, stem in enumerate(data.pictures):
        rows = rng.uniform(0, 300, (3 * (i % 3), 6))
        rows[:, 4] = np.round(rng.random(len(rows)), 1)
        rows[:, 5] = rng.integers(1, 4, len(rows))
        found[stem] = rows.astype(np.float32)
    return found


def files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("comp4_det_test_*.txt")}


def store(out, data, objects, number, count):
    shard = Shard(number, count)
    part = data.shard(shard)
    return shards.add(out, shard, part, {stem: objects[stem] for stem in part.pictures})


@pytest.mark.parametrize(
    ("count", "order"), [(1, [1]), (2, [1, 2]), (2, [2, 1]), (3, [3, 1, 2]), (20, range(20, 0, -1))]
)
def test_the_parts_joined_are_byte_for_byte_the_whole(data, objects, tmp_path, count, order):
    write_detections(tmp_path / "whole", data, objects)
    out, todo = tmp_path / "out", set(order)
    for number in order:
        todo.discard(number)
        assert store(out, data, objects, number, count) == [Shard(k, count) for k in sorted(todo)]
        assert not files(out)
    shards.join(out, count, data)
    assert files(out) == files(tmp_path / "whole")
    assert len(files(out)) == len(CLASSES)
    assert sorted(path.name for path in out.iterdir()) == sorted(files(out))
    read_detections(out, data)


def test_a_part_that_was_not_written_to_its_end_does_not_count(data, objects, tmp_path, monkeypatch):
    assert store(tmp_path, data, objects, 2, 2) == [Shard(1, 2)]

    def killed(folder, part, found):
        write_detections(folder, part, found)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shards, "write_detections", killed)
        with pytest.raises(KeyboardInterrupt):
            store(tmp_path, data, objects, 1, 2)
        with pytest.raises(KeyboardInterrupt):  # nor does what had been complete before
            store(tmp_path, data, objects, 2, 2)
    assert store(tmp_path, data, objects, 2, 2) == [Shard(1, 2)]
    assert store(tmp_path, data, objects, 1, 2) == []


def test_a_part_that_is_given_again_replaces_the_first(data, objects, tmp_path):
    nothing = {stem: np.empty((0, 6), np.float32) for stem in objects}
    store(tmp_path, data, nothing, 1, 2)
    store(tmp_path, data, objects, 1, 2)
    assert store(tmp_path, data, objects, 2, 2) == []
    shards.join(tmp_path, 2, data)
    write_detections(tmp_path / "whole", data, objects)
    assert files(tmp_path) == files(tmp_path / "whole")


def test_parts_of_another_number_are_other_parts(data, objects, tmp_path):
    store(tmp_path, data, objects, 1, 2)
    assert store(tmp_path, data, objects, 2, 3) == [Shard(1, 3), Shard(3, 3)]
    store(tmp_path, data, objects, 1, 3)
    assert store(tmp_path, data, objects, 3, 3) == []
    shards.join(tmp_path, 3, data)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("shard")] == ["shard_1_of_2"]
