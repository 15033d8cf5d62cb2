"""gallery/left.py and skipped.py: what has no row yet, and that what has one is as it was."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from common.gallery.left import left
from common.gallery.skipped import Skipped, skipped_of
from common.gallery.walk import walk
from tests.conftest import refused
from tests.gallery_parts import WRITERS, numbered, opened


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in "acegi":
        (folder / f"{name}.jpg").write_text(name)
    return folder


@pytest.fixture(params=WRITERS)
def writer(request, tmp_path, pictures):
    """One that has the first three of five pictures."""
    writer = opened(tmp_path / request.param)
    writer.add(list(walk(pictures))[:3], numbered(3))
    writer.commit()
    yield writer
    writer.close()


def names(pictures, writer):
    return [entry.name for entry in left(pictures, writer, Skipped(writer.path, writer.rows, 2))]


def test_what_has_no_row_is_left(pictures, writer):
    assert names(pictures, writer) == ["g.jpg", "i.jpg"]
    (pictures / "g.jpg").unlink()
    (pictures / "k.jpg").touch()
    assert names(pictures, writer) == ["i.jpg", "k.jpg"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "c.jpg").unlink(), "c.jpg is not where row 1 has it; found e.jpg there."),
        (lambda folder: (folder / "d.jpg").touch(), "e.jpg is not where row 2 has it; found d.jpg there."),
        (lambda folder: (folder / "c.jpg").write_text("longer"), "c.jpg has changed since."),
        (lambda folder: os.utime(folder / "e.jpg", ns=(1, 1)), "e.jpg has changed since."),
        (lambda folder: [each.unlink() for each in folder.iterdir()], "a.jpg is not where row 0 has it."),
    ],
)
def test_another_content_is_told(change, message, pictures, writer):
    change(pictures)
    with refused(f"{pictures}: the picture {message} {writer.path} has its features", whole=False):
        names(pictures, writer)


def test_what_was_skipped_stays_so_wherever_it_stands(pictures, tmp_path):
    writer, found = opened(tmp_path / "features.npy"), list(walk(pictures))
    skipped = Skipped(writer.path, 0, 2)
    skipped.add([(0, "a.jpg", "why"), (0, "c.jpg", "why")])
    writer.add(found[2:3], numbered(1))
    skipped.add([(1, "g.jpg", "why")])
    writer.commit()
    assert names(pictures, writer) == ["i.jpg"]
    (pictures / "a.jpg").unlink()  # gone
    (pictures / "c.jpg").write_text("mended")
    assert names(pictures, writer) == ["i.jpg"]
    (pictures / "b.jpg").touch()
    with refused(f"{pictures}: the picture e.jpg is not where row 0 has it; found b.jpg", whole=False):
        names(pictures, writer)
    writer.close()


@given(
    readable=st.lists(st.booleans(), max_size=30), batch_size=st.integers(1, 5), committed=st.integers(0, 30)
)
def test_after_a_kill_the_list_ends_with_the_batch_of_the_last_row(
    tmp_path_factory, readable, batch_size, committed
):
    """Whatever was listed and not yet committed with its rows."""
    path = tmp_path_factory.mktemp("skipped") / "features.npy"
    skipped, rows, states = Skipped(path, 0, batch_size), 0, [(0, 0)]
    for start in range(0, len(readable), batch_size):
        others = []
        for place, good in enumerate(readable[start : start + batch_size], start):
            if good:
                rows += 1
            else:
                others.append((rows, f"{place}.jpg", "why"))
        if others:
            skipped.add(others)
        states.append((rows, skipped.count))
    rows, listed = states[min(committed, len(states) - 1)]
    again = Skipped(path, rows, batch_size)
    # Where a batch has no row, nothing tells whether it was committed: it is read again.
    assert again.count <= listed
    assert (rows + again.count) % batch_size == 0 or (rows, again.count) == states[-1]
    assert (rows, again.count) in states
    assert [name for _, name in again.read()] == [
        f"{place}.jpg" for place, good in enumerate(readable) if not good
    ][: again.count]
    assert skipped_of(path).exists() == bool(again.count)


def test_rows_without_names_are_told(pictures, tmp_path):
    writer = opened(tmp_path / "features.npy")
    writer.add(list(walk(pictures))[:2], numbered(2))
    writer.commit()
    (tmp_path / "features.npy.names.jsonl").write_bytes(b"")
    with pytest.raises(GuideError, match="damaged: it has 2 rows and 0 names"):
        names(pictures, writer)
    writer.close()
