"""gallery/search.py: the same as one comparison with all rows, whatever the blocks; of equally near rows the first."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from common.gallery import array_header, parquet_writer, stored
from common.gallery.search import Nearest, merge, nearest, squared_distances
from common.gallery.stored import open_stored
from tests.conftest import refused
from tests.gallery_parts import MADE, WRITERS, numbered, opened, write
from tests.gallery_parts import entries as entries_of


@pytest.fixture(params=WRITERS, scope="module")
def kind(request):
    return request.param


@pytest.fixture
def small(monkeypatch):
    """Blocks of some rows, which are read two or three at a time."""
    monkeypatch.setattr(parquet_writer, "PART", 40 * 4)
    monkeypatch.setattr(parquet_writer, "GROUP", 20 * 4)
    monkeypatch.setattr(stored, "BLOCK", 28 * 4)
    monkeypatch.setattr(stored, "_PIECE", 9 * 4)


def brute(rows, query, top):
    """All rows at once."""
    distances = squared_distances(rows, query)
    order = np.argsort(distances, kind="stable")[:top]
    return order.tolist(), distances[order].tolist()


@pytest.mark.usefixtures("small")
@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 60),
    size=st.sampled_from([1, 4]),
    different=st.integers(1, 60),
    top=st.integers(1, 12),
    workers=st.integers(1, 3),
)
def test_the_nearest_are_those_of_one_comparison_with_all(
    kind, tmp_path_factory, seed, count, size, different, top, workers
):
    random = np.random.default_rng(seed)
    some = random.standard_normal((different, size), np.float32).round(1)
    rows = some[random.integers(0, different, count)]  # many of them equal
    query = rows[random.integers(count)] if seed % 2 else random.standard_normal(size, np.float32)
    path = tmp_path_factory.mktemp("search") / kind
    found = nearest(open_stored(write(path, rows)), query, top, workers)
    assert (found.rows.tolist(), found.distances.tolist()) == brute(rows, query, top)
    assert found.rows.dtype == np.int64


@given(
    distances=st.lists(st.integers(0, 5), min_size=1, max_size=40),
    borders=st.lists(st.integers(1, 39), max_size=5),
    top=st.integers(1, 12),
)
def test_nearest_of_parts_are_the_nearest_of_all(distances, borders, top):
    values = np.array(distances, np.float32)
    best, first = Nearest(np.empty(0, np.int64), np.empty(0, np.float32)), 0
    for part in np.split(values, sorted(borders)):
        best, first = merge(best, first, part, top), first + len(part)
    order = np.argsort(values, kind="stable")[:top]
    assert (best.rows.tolist(), best.distances.tolist()) == (order.tolist(), values[order].tolist())


@pytest.mark.parametrize("size", [1, 7, 512, 4097, 12288])
def test_a_rows_distance_is_the_same_whatever_stands_beside_it(size):
    random = np.random.default_rng(size)
    rows, query = random.standard_normal((23, size), np.float32), random.standard_normal(size, np.float32)
    whole = squared_distances(rows, query)
    for start in range(23):
        for stop in range(start + 1, min(start + 6, 24)):
            assert squared_distances(rows[start:stop], query).tolist() == whole[start:stop].tolist()
    exact = ((rows.astype(float) - query) ** 2).sum(1)
    np.testing.assert_allclose(whole, exact, rtol=2e-6)
    assert squared_distances(query[None], query).tolist() == [0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -3e38])
def test_a_row_that_is_no_number_is_told(value, kind, tmp_path):
    rows = numbered(6)
    rows[4, 1] = value
    path = write(tmp_path / kind, rows)
    with refused(f"{path}: damaged: row 4 holds what is no number; make it again."):
        nearest(open_stored(path), np.zeros(3, np.float32), 2, 1)


def test_a_query_of_another_size_is_told(kind, tmp_path):
    path = write(tmp_path / kind, numbered(2))
    with refused(f"{path}: has rows of 3 numbers, the query has 4."):
        nearest(open_stored(path), np.zeros(4, np.float32), 2, 1)


def test_rows_that_are_being_written_are_not_there_yet(tmp_path):
    path = tmp_path / "features.npy"
    writer = opened(path)
    writer.add(entries_of(2), numbered(2))
    writer.commit()
    writer.add(entries_of(2, 2), numbered(2, first=2))
    assert open_stored(path).rows == 2
    writer.close()


def test_a_file_that_becomes_shorter_is_told(tmp_path):
    path = write(tmp_path / "features.npy", numbered(9))
    found = open_stored(path)
    path.write_bytes(path.read_bytes()[: array_header.LENGTH + 20])
    with refused(f"{path}: has become shorter while it was read; run this again."):
        nearest(found, np.zeros(3, np.float32), 2, 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.npy", "no such file of features; make it with embed.py."),
        ("none.parquet", "no such file of features; make it with embed.py."),
        ("empty.parquet", "holds no part yet; let embed.py end first."),
        ("file.parquet", "not a directory of Parquet files, as embed.py writes it."),
    ],
)
def test_what_is_no_gallery_is_told(name, message, tmp_path):
    (tmp_path / "empty.parquet").mkdir()
    (tmp_path / "file.parquet").touch()
    with refused(f"{tmp_path / name}: {message}"):
        open_stored(tmp_path / name)


@pytest.mark.usefixtures("small")
def test_parts_that_are_missing_or_of_another_run_are_told(tmp_path):
    for name, network in (("one", MADE.settings["network"]), ("two", "another")):
        made = type(MADE)("/pictures", {"network": network})
        writer = opened(tmp_path / f"{name}.parquet", 4, made)
        for first in (0, 10, 20):
            writer.add(entries_of(10, first), numbered(10, 4, first))
        writer.finish()
        writer.close()
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    (one / "part-00001.parquet").write_bytes((two / "part-00001.parquet").read_bytes())
    with refused(f"{one / 'part-00001.parquet'}: made in another way than part-00000", whole=False):
        open_stored(one)
    (one / "part-00001.parquet").unlink()
    for access in (open_stored, lambda path: opened(path, 4)):
        with refused(f"{one / 'part-00001.parquet'}: not there, and parts after it are.", whole=False):
            access(one)


def flip(data, at, bits):
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


@given(at=st.integers(0, 10**9), bits=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_part_is_one_error_or_other_numbers(parquet_bytes, tmp_path_factory, at, bits, cut):
    at %= len(parquet_bytes)
    path = tmp_path_factory.mktemp("damaged") / "features.parquet"
    path.mkdir()
    part = path / "part-00000.parquet"
    part.write_bytes(parquet_bytes[:at] if cut else flip(parquet_bytes, at, bits))
    with contextlib.suppress(GuideError):
        found = open_stored(path)
        best = nearest(found, np.zeros(3, np.float32), 2, 1)
        assert all(isinstance(name, str) for name in found.names(best.rows.tolist()))
        assert not cut


@pytest.fixture(scope="module")
def parquet_bytes(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("sound") / "features.parquet", numbered(5))
    return (path / "part-00000.parquet").read_bytes()
