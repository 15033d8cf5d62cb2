"""What predict.py of an embedding network does with a gallery: find a picture's nearest, and show them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from common import cli
from common.backends.base import Backend, models_of
from common.backends.deployed import chosen_runtime, open_deployed
from common.embedding import Embedding
from common.engine.stream import run
from common.engine.task import SourceT
from common.errors import GuideError
from common.facts import Facts
from common.files import write_json
from common.gallery.search import nearest
from common.gallery.stored import SUFFIXES, open_stored
from common.images.read import write_image
from common.images.strip import strip
from common.prediction import made_by
from common.timing import Stopwatch

Array = NDArray[Any]
TOP = 10


class Match(NamedTuple):
    """A picture that was found, and its squared distance from the query."""

    path: Path
    distance: float


class Found(NamedTuple):
    """The nearest pictures of a gallery, from the nearest on, and of how many, by which network."""

    matches: Sequence[Match]
    total: int
    deployed: Backend


def add_top(arguments: argparse.ArgumentParser) -> None:
    """Add `--top N`."""
    arguments.add_argument(
        "--top",
        type=cli.positive_int,
        default=TOP,
        metavar="N",
        help="How many of the nearest pictures of the gallery are shown (default: %(default)s).",
    )


def is_stored(gallery: Path) -> bool:
    """Tell whether a gallery is named like what embed.py writes."""
    return gallery.suffix in SUFFIXES


def search_stored(
    embedding: Embedding[SourceT],
    query: Path,
    options: argparse.Namespace,
    facts: Facts,
    folder: Path,
    workers: int,
) -> Found:
    """Return the nearest of the pictures whose features `options.gallery` holds, which `options.model` has to have made.

    Args:
        embedding: the model's.
        query: the picture to look for.
        options: with `model`, `gallery`, `top` and the backend's.
        facts: the model's.
        folder: the model directory.
        workers: how many threads search.
    """
    stored = open_stored(options.gallery)
    items = dict(embedding.items("query", query))
    with open_deployed(options.model, chosen_runtime(options), facts, folder, at_once=len(items)) as deployed:
        network = stored.made.settings.get("network")
        if deployed.identity != network:
            raise GuideError(
                f"{options.gallery}: made with another network than {options.model}: expected {deployed.identity}, found "
                f"{network}. Name that model, or embed the pictures again with this one."
            )
        # Each by itself, as the padding of a batch is nobody's.
        results = run(embedding.task, models_of(deployed), items, batch_size=1, workers=1, watch=Stopwatch())
        with closing(results):
            row = embedding.row([result for _, result in results])
    found = nearest(stored, row, options.top, workers)
    names = stored.names(found.rows.tolist())
    paths = (Path(stored.made.directory, name) for name in names)
    matches = [Match(path, float(each)) for path, each in zip(paths, found.distances, strict=True)]
    return Found(matches, stored.rows, deployed)


def show(query: Path, found: Found, options: argparse.Namespace, read: Callable[[Path], Array]) -> None:
    """Write `<query>_matches.jpg` and `<query>_matches.json` to `options.out`, and print the matches.

    Args:
        query: the picture that was looked for.
        found: what was found.
        options: with `out` and `gallery`.
        read: returns a picture as uint8 BGR, all of one size.
    """
    labels = [f"{rank}: {match.distance:.3f}" for rank, match in enumerate(found.matches, 1)]
    pictures = [_readable(match.path, read) for match in found.matches]
    target = options.out / f"{query.stem}_matches.jpg"
    write_image(target, strip(read(query), list(zip(pictures, labels, strict=True))))
    rows = [
        {"image": str(match.path), "squared distance": round(match.distance, 6)} for match in found.matches
    ]
    write_json(
        target.with_suffix(".json"),
        {
            "query": str(query),
            "gallery": str(options.gallery),
            "images": found.total,
            **made_by(found.deployed),
            "matches": rows,
        },
    )
    for label, match in zip(labels, found.matches, strict=True):
        print(f"{label}  {match.path}")
    print(
        f"{target}: the {len(found.matches)} nearest of {cli.counted(found.total, 'picture')}, with "
        f"{found.deployed.name}, {found.deployed.precision}"
    )


def _readable(path: Path, read: Callable[[Path], Array]) -> Array | None:
    """Return a picture, None for one that is not there any more: its features were found all the same."""
    try:
        return read(path)
    except (GuideError, OSError) as error:
        print(f"note: not shown: {cli.message(error)}")
        return None
