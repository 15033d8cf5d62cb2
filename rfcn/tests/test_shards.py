"""Detections of one part of the data after the other, kept in one file until they are those of all pictures."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from common.engine.shard import Shard
from common.engine.store import Store
from common.npu_files.results import Results
from rfcn_voc import shards
from rfcn_voc.detections import write_detections
from rfcn_voc.voc import read_voc
from tests.conftest import write_data

NAMES = ["b", "a", "000003", "000001", "x.y", "000002", "é_1"]


@pytest.fixture
def data(tmp_path):
    folder = write_data(tmp_path / "voc", {name: [] for name in NAMES})
    (folder / "JPEGImages").mkdir()
    for name in NAMES:
        (folder / "JPEGImages" / f"{name}.jpg").write_text(name)
    return read_voc(folder)


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


@pytest.fixture
def results(tmp_path):
    """Make a directory of results without a file, of the network whose hash is given, or of an unknown one."""

    def make(network=None, precision="float32"):
        folder = tmp_path / f"result_{network}_{precision}"
        folder.mkdir(exist_ok=True)
        if network:
            run = {"model": network, "backend": "onnxruntime", "precision": precision}
            (folder / "infer.json").write_text(json.dumps(run))
        return Results(folder, ((1,), (1,)), 1, "bin")

    return make


@pytest.fixture
def store(tmp_path, data, objects, results):
    """Store a part; return what `shards.join` does, all detections or None."""

    def join(number, count, found=None, source=None):
        shard = Shard(number, count)
        part = {stem: (found or objects)[stem] for stem in data.shard(shard).pictures}
        source = source or results("abc")
        hashes = {stem: shards.hash_results(source, stem) for stem in part}
        return shards.join(tmp_path / shards.STORE, source, hashes, shard, data, part)

    return join


def same(found, wanted):
    assert list(found) == list(wanted)
    for stem, rows in wanted.items():
        assert found[stem].dtype == rows.dtype
        np.testing.assert_array_equal(found[stem], rows)


@pytest.mark.parametrize(
    ("count", "order"), [(1, [1]), (2, [1, 2]), (2, [2, 1]), (3, [3, 1, 2]), (20, range(20, 0, -1))]
)
def test_the_parts_joined_are_the_whole_in_the_order_of_the_list(
    data, objects, store, tmp_path, count, order, capsys
):
    parts = [number for number in order if data.shard(Shard(number, count)).pictures]
    for number in parts[:-1]:
        assert store(number, count) is None
        parts = parts[1:]
        assert f"{min(parts)}/{count}" in capsys.readouterr().out
    joined = store(parts[-1], count)
    same(joined, objects)
    assert f"joined {count} shards\n" in capsys.readouterr().out
    for name, found in (("whole", objects), ("joined", joined)):
        write_detections(tmp_path / name, data, found)
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "joined" / path.name).read_bytes() == path.read_bytes()


def test_a_part_that_is_given_again_replaces_the_first(objects, store):
    nothing = {stem: np.empty((0, 6), np.float32) for stem in objects}
    assert store(1, 2, nothing) is None
    assert store(1, 2) is None
    same(store(2, 2), objects)


def test_parts_of_another_number_join_by_their_pictures(data, objects, store, capsys):
    assert store(1, 2) is None
    capsys.readouterr()
    there = data.shard(Shard(1, 2)).pictures
    missing = [n for n in (2, 3) if data.shard(Shard(n, 3)).pictures.keys() - there.keys()]
    assert store(1, 3) is None
    assert f"{', '.join(f'{n}/3' for n in missing)} missing" in capsys.readouterr().out
    for number in missing[:-1]:
        assert store(number, 3) is None
    same(store(missing[-1], 3), objects)


@pytest.mark.parametrize("other", [("other", "float32"), ("abc", "float16"), (None, "float32")])
def test_parts_of_another_network_are_forgotten_with_a_word(other, data, objects, store, results, capsys):
    count = len(data.shard(Shard(1, 2)).pictures)
    assert store(1, 2) is None
    capsys.readouterr()
    assert store(2, 2, source=results(*other)) is None
    printed = capsys.readouterr().out
    assert f"{shards.STORE}: {count} results of another network or other settings are not used\n" in printed
    assert "run the other shards with the same --out: 1/2 missing\n" in printed
    same(store(1, 2, source=results(*other)), objects)


def test_results_that_do_not_say_their_network_join_with_a_note(objects, store, results, capsys):
    assert store(1, 2, source=results()) is None
    same(store(2, 2, source=results()), objects)
    assert f"note: {results().folder} does not say which network made it" in capsys.readouterr().out


def test_a_changed_pictures_detections_are_not_used_and_told(data, objects, store, capsys):
    assert store(1, 2) is None
    changed = next(iter(data.shard(Shard(1, 2)).pictures.values()))
    changed.path.write_text("another picture")
    assert store(2, 2) is None
    printed = capsys.readouterr().out
    assert f"{shards.STORE}: 1 results of pictures that have changed since are not used\n" in printed
    assert "run the other shards with the same --out: 1/2 missing\n" in printed
    same(store(1, 2), objects)


def torn(rows):
    """Yield the first rows, then be interrupted."""
    yield from rows[:5]
    raise KeyboardInterrupt


def test_an_interruption_while_storing_leaves_no_half_part(data, objects, store, results, tmp_path):
    part = data.shard(Shard(1, 2))
    keep = Store.keep
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "keep", lambda store, rows, size: keep(store, torn(rows), size))
        with pytest.raises(KeyboardInterrupt):
            store(1, 2)
    assert len(part.pictures) > 2
    with closing(sqlite3.connect(tmp_path / shards.STORE)) as opened, opened:
        assert opened.execute("SELECT count(*) FROM results").fetchone() == (0,)
    assert store(2, 2) is None
    same(store(1, 2), objects)


def write_results(results, stems):
    for stem in stems:
        for k in (1, 2):
            (results.folder / f"{stem}_{k}.bin").write_text(f"{stem} {k}")


@pytest.mark.parametrize("change", ["one is deleted", "one is another"])
def test_detections_count_only_while_they_are_of_the_result_files_that_are_there(
    change, data, objects, store, results, capsys
):
    source = results("abc")
    write_results(source, data.pictures)
    assert store(1, 2, source=source) is None
    changed = source.folder / f"{next(iter(data.shard(Shard(1, 2)).pictures))}_2.bin"
    content = changed.read_text()
    changed.unlink()
    if change == "one is another":
        changed.write_text("another")
    capsys.readouterr()
    for _ in range(2):  # forgotten for good
        assert store(2, 2, source=source) is None
        assert "run the other shards with the same --out: 1/2 missing\n" in capsys.readouterr().out
        changed.write_text(content)
    same(store(1, 2, source=source), objects)


def test_results_that_are_removed_once_their_part_is_stored_are_not_needed(data, objects, store, results):
    source = results("abc")
    for number in (1, 2):
        part = data.shard(Shard(number, 2)).pictures
        write_results(source, part)
        joined = store(number, 2, source=source)
        for path in source.folder.glob("*.bin"):
            path.unlink()
    same(joined, objects)


def test_a_part_that_could_not_be_made_again_is_forgotten_unless_it_is_of_another_network(
    data, objects, store, results, tmp_path, capsys
):
    path, shard = tmp_path / shards.STORE, Shard(1, 2)
    part = data.shard(shard).pictures
    assert store(1, 2) is None
    capsys.readouterr()
    for folder in (results("other").folder, tmp_path / "mistyped"):
        shards.drop(path, folder, shard, part)
        shards.drop(tmp_path / "no store", folder, shard, part)
    assert capsys.readouterr().out == ""
    shards.drop(path, results("abc").folder, shard, part)
    assert capsys.readouterr().out == "shard 1/2: what is stored of it is not used any more\n"
    assert store(2, 2) is None
    same(store(1, 2), objects)
