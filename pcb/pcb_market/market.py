"""The Market-1501 data set (Zheng et al., 2015): pictures of persons, named `<person>_c<camera>s<...>.jpg`.

`query/` holds the pictures to look for, `bounding_box_test/` the gallery to look in. In the gallery, person -1 is junk
and left out, and person 0 are distractors that no query looks for.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from common.errors import GuideError

DATA_HELP = "The Market-1501 data set: queries in query/, the gallery in bounding_box_test/"
TREE = """expected:
  DIR/query/0001_c1s1_001051_00.jpg and so on
  DIR/bounding_box_test/0000_c1s1_000151_01.jpg and so on"""
_NAME = re.compile(r"(-?\d+)_c(\d)", re.ASCII)
MOST = 10**9  # beyond any number of a person
JUNK = -1


@dataclass(frozen=True)
class Picture:
    """A picture: its file, the person's number, the camera's number counted from 0."""

    path: Path
    person: int
    camera: int


Pictures = dict[str, Picture]


@dataclass(frozen=True)
class Market:
    """Query and gallery pictures by the name of their .bin files; the pictures of the training set, if it is there."""

    query: Pictures
    gallery: Pictures
    train: Pictures

    @property
    def pictures(self) -> Pictures:
        """Both parts, the queries first, by `query/<name>` and `gallery/<name>`."""
        parts = {"query": self.query, "gallery": self.gallery}
        return {
            f"{part}/{name}": picture
            for part, pictures in parts.items()
            for name, picture in pictures.items()
        }

    def first(self, count: int) -> Market:
        """Return the first queries, the gallery pictures of the same persons, and as many others."""
        query = dict(list(self.query.items())[:count])
        persons = {picture.person for picture in query.values()}
        same = {name for name, picture in self.gallery.items() if picture.person in persons}
        kept = same | set([name for name in self.gallery if name not in same][:count])
        return Market(query, {name: p for name, p in self.gallery.items() if name in kept}, self.train)

    def table(self) -> str:
        """Return how many persons and pictures each part has, as the original prints it."""
        parts = {"train": self.train, "query": self.query, "gallery": self.gallery}
        rows = [f"  {name:8} | {persons(part):5d} | {len(part):8d}" for name, part in parts.items() if part]
        return "\n".join(["  subset   | # ids | # images", "  ---------------------------", *rows])


def persons(pictures: Pictures) -> int:
    """Count the persons in pictures."""
    return len({picture.person for picture in pictures.values()})


def read_market(data: Path) -> Market:
    """Find the pictures of a data set, sorted by name. A missing or empty query or gallery directory is an error."""
    parts = [_find(data / name) for name in ("query", "bounding_box_test", "bounding_box_train")]
    for name, pictures in zip(("query", "bounding_box_test"), parts, strict=False):
        if not pictures:
            raise GuideError(f"{data}: not the Market-1501 data set: no picture in {data / name}; {TREE}")
    return Market(*parts)


def _find(folder: Path) -> Pictures:
    """Return the .jpg files of a directory by the name of their .bin files, without the junk."""
    listed = os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208  the names alone
    names = sorted(name for name in listed if name.endswith(".jpg") and not name.startswith("."))
    stems = Counter(name.partition(".")[0] for name in names)
    pictures: Pictures = {}
    for name in names:
        path = folder / name
        # The guide's name: up to the first dot. Where pictures share that, their whole name, without dots.
        short = name.partition(".")[0]
        stem = short if stems[short] == 1 else path.stem.replace(".", "_")
        if stem in pictures:
            raise GuideError(
                f"{path}: its .bin file would have the name of another picture's, {stem}.bin; rename it."
            )
        found = _NAME.search(name)
        if not found:
            raise GuideError(f"{path}: expected a name as 0001_c1s1_001051_00.jpg, with person and camera.")
        person = int(found[1])
        if person > MOST:
            raise GuideError(f"{path}: expected a person's number up to {MOST}, found {person}.")
        if person != JUNK:
            pictures[stem] = Picture(path, person, int(found[2]) - 1)
    return pictures
