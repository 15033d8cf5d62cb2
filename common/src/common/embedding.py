"""What every embed.py shares: the features of all pictures of a directory, in a file that a killed run goes on with."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic

from common import cli
from common.backends.base import Backend, choose_batch_size, random_feeds
from common.backends.deployed import add_backend, chosen_runtime
from common.cluster.anywhere import open_anywhere, run_anywhere
from common.cluster.options import add_engine, chosen_engine
from common.engine.rows import Row, Writer, store_rows
from common.engine.settings import settings_of
from common.engine.task import Array, SourceT, Task
from common.engine.unreadable import Marking, Unreadable
from common.errors import GuideError, about
from common.facts import Facts
from common.gallery.array_writer import ArrayWriter
from common.gallery.left import left
from common.gallery.made import Made
from common.gallery.parquet_format import check_there
from common.gallery.parquet_writer import ParquetWriter
from common.gallery.skipped import Skipped
from common.gallery.stored import SUFFIXES
from common.gallery.walk import Entry, walk
from common.images.read import SUFFIXES as PICTURES
from common.timing import Stopwatch

AT_ONCE = 64  # batches that the backend is promised: there are more of them than cores


@dataclass(frozen=True)
class Embedding(Generic[SourceT]):
    """How a picture becomes a row.

    Attributes:
        task: what comes before and after the network.
        size: how many float32 a row has.
        items: from a picture's name and path to its items by key, as many of each picture; no two pictures share a key.
        row: from the results of these items to the row, `size` float32.
    """

    task: Task[SourceT, Any, Array]
    size: int
    items: Callable[[str, Path], Sequence[tuple[str, SourceT]]]
    row: Callable[[Sequence[Array]], Array]


def parse(arguments: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Add the arguments of an embed.py and parse them; what cannot be written is told at once."""
    add = arguments.add_argument
    add(
        "folder",
        type=Path,
        metavar="DIR",
        help="The directory of pictures, JPEG, PNG or BMP, also in directories below it, in the order of their names; "
        "EXIF rotation is applied. Names that begin with a dot are left out, links to directories are not followed.",
    )
    add("--model", type=Path, required=True, metavar="F", help="The ONNX file or OM file to run.")
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="What to write: NAME.npy, with the names of its rows in NAME.npy.names.jsonl, or NAME.parquet, a directory "
        "of Parquet files. Run again, it goes on where it was interrupted; a picture that was embedded has to be there "
        "as it was.",
    )
    add(
        "--skip-unreadable",
        action="store_true",
        help="Go on where a picture cannot be read, and list it in FILE.skipped.jsonl.",
    )
    add_backend(arguments)
    cli.add_batch_size(arguments)
    cli.add_workers(arguments)
    add_engine(arguments)
    arguments.set_defaults(workers=None)  # on a cluster each machine has its own number
    options = arguments.parse_args(argv)
    if options.out.suffix not in SUFFIXES:
        arguments.error(f"--out: expected a name that ends in {' or '.join(SUFFIXES)}, got {options.out}")
    if options.out.suffix == ".parquet":
        check_there()
    if not any(walk(options.folder)):
        raise GuideError(f"{options.folder}: holds no {' or '.join(PICTURES)} file.")
    return options


def embed(embedding: Embedding[SourceT], options: argparse.Namespace, facts: Facts, folder: Path) -> None:
    """Store a row for each picture that has none yet, and say how many there are.

    Rows stand in the order of `walk`. What is stored stays: where a picture of a row has changed since or is gone, or a new
    one stands before the last row, or anything of the network and its settings is another, it is an error. A
    picture that was skipped stays skipped.

    Args:
        embedding: the model's.
        options: from `parse`.
        facts: the model's.
        folder: the model directory.
    """
    watch = Stopwatch()
    engine, size = chosen_engine(options), options.batch_size or 1
    runtime = chosen_runtime(options, here=not engine.is_ray)
    with ExitStack() as stack:
        deployed = stack.enter_context(
            open_anywhere(options.model, runtime, engine, facts, folder, batch_size=size, at_once=AT_ONCE)
        )
        size = choose_batch_size(deployed, options.batch_size)
        made = Made(str(options.folder.resolve()), settings_of(deployed, embedding.task, size))
        kind = ParquetWriter if options.out.suffix == ".parquet" else ArrayWriter
        writer: Writer = stack.enter_context(closing(kind(options.out, embedding.size, made)))
        skipped = Skipped(options.out, writer.rows, size)
        before, skipped_before = writer.rows, skipped.count
        pictures = left(options.folder, writer, skipped)
        if before:
            print(f"{options.out}: {cli.counted(before, 'row')} are there already")
        start = watch.clock
        results = _embedded(embedding, deployed, pictures, options, batch_size=size, watch=watch)
        with closing(results):
            store_rows(
                cli.progress(results, None, "embed"),
                writer,
                skipped,
                size,
                skip=options.skip_unreadable,
                parquet=kind is ParquetWriter,
            )
        new = writer.rows - before + skipped.count - skipped_before
        spent = watch.clock - start
        if not writer.rows:
            raise GuideError(f"{options.folder}: none of its pictures can be read; {skipped.path} says why.")
        writer.finish()
        if skipped.count:
            print(f"{skipped.path}: {cli.counted(skipped.count, 'picture')} that could not be read")
        speed = f"{spent:.1f} s, {new / max(spent, 1e-9):.2f} images/s" if new else "no time, none is new"
        print(
            f"{options.out}: {cli.counted(writer.rows, 'row')} of {embedding.size} float32; "
            f"{cli.counted(new, 'picture')} in {speed}, with {deployed.name}, {deployed.precision}"
        )


def _embedded(
    embedding: Embedding[SourceT],
    deployed: Backend,
    pictures: Iterable[Entry],
    options: argparse.Namespace,
    *,
    batch_size: int,
    watch: Stopwatch,
) -> Generator[tuple[Entry, Row], None, None]:
    """Yield each picture with its row, or why there is none, in the order given."""
    waiting: deque[tuple[Entry, int]] = deque()

    def items() -> Iterator[tuple[str, SourceT]]:
        for entry in pictures:
            of_one = embedding.items(entry.name, options.folder / entry.name)
            waiting.append((entry, len(of_one)))
            yield from of_one

    feeds = random_feeds(deployed.inputs, 1)
    marking = Marking(embedding.task, {name: array[0] for name, array in feeds.items()})
    task = Task(marking.prepare, marking.finish)
    results = run_anywhere(
        task,
        deployed,
        items(),
        batch_size=batch_size,
        workers=options.workers,
        watch=watch,
        in_order=True,  # files are not compared: with millions, reading them here would be what all wait for
    )
    with closing(results):
        for first in results:
            entry, count = waiting.popleft()
            of_one = [result for _, result in (first, *islice(results, count - 1))]
            bad = [each for each in of_one if isinstance(each, Unreadable)]
            with about(entry.name):
                row = bad[0] if bad else embedding.row([each for each in of_one if not isinstance(each, str)])
            yield entry, row
