"""gallery/walk.py: all pictures of a directory in the order of their names, and no more of them held than a listing."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from common.gallery.walk import Entry, walk
from tests.conftest import refused

NAMES = st.sampled_from(
    ["a", "a.jpg", "b", "b.PNG", "c.txt", "a-b.bmp", "d.jpeg", ".e.jpg", ".f", "ä.jpg", "x\ny.png"]
)


def make(root, paths):
    for path in paths:
        place = root / path
        if not any(each.is_file() for each in place.parents) and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"1" * len(path))


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=12))
def test_pictures_come_in_the_order_of_their_whole_names(tmp_path_factory, paths):
    root = tmp_path_factory.mktemp("walk")
    make(root, paths)
    found = [entry.name for entry in walk(root)]
    there = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file()
        and path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp")
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    assert found == sorted(there)


def test_an_entry_tells_size_and_time_of_what_a_link_leads_to(tmp_path):
    make(tmp_path, ["one/a.jpg"])
    os.utime(tmp_path / "one" / "a.jpg", ns=(1, 1234567890123456789))
    (tmp_path / "two.jpg").symlink_to("one/a.jpg")
    (tmp_path / "three.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "four").symlink_to("one")
    assert list(walk(tmp_path)) == [
        Entry("one/a.jpg", 9, 1234567890123456789),
        Entry("three.jpg", -1, -1),
        Entry("two.jpg", 9, 1234567890123456789),
    ]


def test_names_that_are_no_utf_8_are_themselves(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.jpg")).touch()
    (entry,) = walk(tmp_path)
    assert os.fsencode(entry.name) == b"\xff.jpg"


def test_pictures_are_looked_at_when_they_are_asked_for(tmp_path):
    make(tmp_path, ["a/1.jpg", "b/1.jpg"])
    found = walk(tmp_path)
    assert next(found).name == "a/1.jpg"
    (tmp_path / "b" / "1.jpg").unlink()
    assert list(found) == []


def test_what_is_no_directory_is_told(tmp_path):
    with refused(f"{tmp_path / 'none'}: no such directory."):
        next(walk(tmp_path / "none"))
