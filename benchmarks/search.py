"""What embed.py costs beside the network, and how fast predict.py --gallery searches what it stored, exactly.

python benchmarks/search.py
python benchmarks/search.py --models pcb --pictures 2000,20000 --out figures

Embedding: directories of links to one picture, through a tiny network that has the inputs and outputs of the model's. The
images per second of the whole, of the stream alone on as many pictures, which neither lists nor stores, and the peak
memory of a process, for each number of pictures. Search: random rows of the model's length, in the page cache, once on
one core and once on all; and what that means for a query among 1, 10 and 100 million pictures that are there too. Rows that
come from a disk are read no faster than it gives them.

Files are written to the temporary directory, 1 GB at the most at a time: TMPDIR names another file system.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import re
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common import cli
from common.backends.base import models_of
from common.backends.deployed import open_deployed
from common.embedding import embed, parse
from common.engine.stream import run
from common.facts import Facts, read_facts
from common.gallery.array_writer import ArrayWriter
from common.gallery.made import Made
from common.gallery.parquet_writer import ParquetWriter
from common.gallery.search import nearest
from common.gallery.stored import open_stored
from common.gallery.walk import Entry, walk
from common.kernel import cpus
from common.timing import Stopwatch
from inputs import ROOT, load, models
from timing import isolated, machine_line, table, write

MODELS = {"lresnet100e_ir": ("lresnet_lfw", (112, 112)), "pcb": ("pcb_market", (128, 64))}
WRITERS: dict[str, Any] = {".npy": ArrayWriter, ".parquet": ParquetWriter}
BATCH = 16
IN_DIRECTORY = 10_000  # pictures


def tiny(facts: Facts, path: Path) -> None:
    """Write a network with a model's inputs and outputs: each output is the mean of the channels times a matrix."""
    from onnx import TensorProto, helper, numpy_helper, save

    (image,), random, nodes, constants = facts.inputs, np.random.default_rng(0), [], []
    nodes.append(helper.make_node("GlobalAveragePool", [image.name], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["means"]))
    for number, tensor in enumerate(facts.outputs):
        shape = [int(side) for side in tensor.image_shape]
        matrix = random.standard_normal((3, int(np.prod(shape))), np.float32)
        constants.append(numpy_helper.from_array(matrix, f"matrix{number}"))
        constants.append(numpy_helper.from_array(np.array([-1, *shape]), f"shape{number}"))
        nodes.append(helper.make_node("MatMul", ["means", f"matrix{number}"], [f"flat{number}"]))
        nodes.append(helper.make_node("Reshape", [f"flat{number}", f"shape{number}"], [tensor.name]))
    inputs, outputs = (
        [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, ["N", *t.image_shape]) for t in tensors]
        for tensors in (facts.inputs, facts.outputs)
    )
    graph = helper.make_graph(nodes, facts.name, inputs, outputs, constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)


def make_pictures(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write as many links to one picture in directories of IN_DIRECTORY, each with a copy of its own."""
    picture = np.random.default_rng(0).integers(0, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
    _, data = cv2.imencode(".jpg", cv2.resize(picture, size[::-1]))
    for number in range(count):
        path = folder / f"{number // IN_DIRECTORY:04}" / f"{number:09}.jpg"
        if number % IN_DIRECTORY:
            os.link(path.with_name(f"{number - number % IN_DIRECTORY:09}.jpg"), path)
        else:  # a file has 65000 links at most
            path.parent.mkdir(parents=True)
            path.write_bytes(data.tobytes())


def embedded(name: str, pictures: Path, model: Path, out: Path) -> tuple[float, float]:
    """Return the seconds that embedding takes, and the most memory that this process had, in MiB."""
    facts, words = read_facts(ROOT / name), (pictures, "--model", model, "--out", out, "--batch-size", BATCH)
    options = parse(argparse.ArgumentParser(), [str(word) for word in words])
    start = time.perf_counter()
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        embed(embedding_of(name), options, facts, ROOT / name)
    return time.perf_counter() - start, peak()


def streamed(name: str, pictures: Path, model: Path, count: int) -> float:
    """Return the seconds that the stream alone takes for that many of the pictures, whose names it has."""
    facts, found = read_facts(ROOT / name), embedding_of(name)
    names = [entry.name for entry in islice(walk(pictures), count)]
    items = dict(item for each in names for item in found.items(each, pictures / each))
    with open_deployed(model, None, facts, ROOT / name, batch_size=BATCH, at_once=64) as deployed:
        start = time.perf_counter()
        results = run(
            found.task, models_of(deployed), items, batch_size=BATCH, workers=len(cpus()), watch=Stopwatch()
        )
        for _ in results:
            pass
        return time.perf_counter() - start


def embedding_of(name: str) -> Any:
    load(name)
    return importlib.import_module(f"{MODELS[name][0]}.embedding").EMBEDDING


def peak() -> float:
    """Return the most memory that this process had, in MiB; `getrusage` would count that of the one that started it."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else math.nan


def make_rows(path: Path, size: int, count: int) -> None:
    """Write random rows."""
    random, step = np.random.default_rng(0), max(1, 2**24 // (4 * size))
    with closing(WRITERS[path.suffix](path, size, Made("/", {}))) as writer:
        for first in range(0, count, step):
            entries = [Entry(f"{number:09}.jpg", 0, 0) for number in range(first, min(first + step, count))]
            writer.add(entries, random.standard_normal((len(entries), size), np.float32))
        writer.finish()


def searched(path: Path, workers: int) -> tuple[float, float, int]:
    """Return the seconds of the fastest of three searches, the most memory in MiB, and the rows."""
    stored = open_stored(path)
    query, spent = np.ones(stored.size, np.float32), []
    for _ in range(3):
        start = time.perf_counter()
        found = nearest(stored, query, 10, workers)
        stored.names(found.rows.tolist())
        spent.append(time.perf_counter() - start)
    return min(spent), peak(), stored.rows


def measure_embedding(name: str, counts: Sequence[int], kind: str) -> list[list[str]]:
    """Return the rows of a table, the first one its head."""
    rows = [["pictures", "images/s", "the stream alone", "peak, MiB"]]
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            model, pictures = Path(folder) / "tiny.onnx", Path(folder) / "pictures"
            tiny(read_facts(ROOT / name), model)
            make_pictures(pictures, count, MODELS[name][1])
            some = min(count, 10_000)
            bare = isolated(streamed, name, pictures, model, some)
            spent, memory = isolated(embedded, name, pictures, model, Path(folder) / f"out{kind}")
            rows.append([str(count), f"{count / spent:.0f}", f"{some / bare:.0f}", f"{memory:.0f}"])
    return rows


def measure_search(name: str, gigabytes: float) -> list[list[str]]:
    """Return the rows of a table, the first one its head."""
    size = embedding_size(name)
    rows = [["file", "cores", "rows/s", "GB/s", "peak, MiB", "s for 1 M", "10 M", "100 M"]]
    for kind in WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"rows{kind}"
            make_rows(path, size, max(1, int(gigabytes * 1e9 / (4 * size))))
            for workers in sorted({1, len(cpus())}):
                spent, memory, count = isolated(searched, path, workers, threads=1)
                rate = count / spent
                seconds = [f"{millions * 1e6 / rate:.3g}" for millions in (1, 10, 100)]
                rows.append(
                    [
                        kind,
                        str(workers),
                        f"{rate:.3g}",
                        f"{4e-9 * size * rate:.2f}",
                        f"{memory:.0f}",
                        *seconds,
                    ]
                )
    return rows


def embedding_size(name: str) -> int:
    size: int = isolated(_size, name)
    return size


def _size(name: str) -> int:
    size: int = embedding_of(name).size
    return size


def numbers(text: str) -> list[int]:
    """Argument type: whole numbers with commas between them."""
    return [cli.positive_int(word) for word in text.split(",")]


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "--models",
        type=models,
        default=list(MODELS),
        metavar="A,B",
        help="The models; those that embed nothing are left out (default: all that embed).",
    )
    add(
        "--pictures",
        type=numbers,
        default=[2_000, 10_000],
        metavar="N,M",
        help="How many pictures are embedded (default: 2000,10000).",
    )
    add(
        "--gigabytes",
        type=cli.number(0),
        default=0.9,
        metavar="G",
        help="How many bytes of rows are searched, in 10**9 (default: %(default)s).",
    )
    add(
        "--out", type=Path, metavar="DIR", help="The directory for search.md and search.json (default: none)."
    )
    options = arguments.parse_args(argv)
    text, figures = f"# Embedding and exact search\n\n{machine_line()}\n", {}
    chosen = [name for name in options.models if name in MODELS]
    if not chosen:  # no error: all benchmarks are run with the same models
        text += f"\n{', '.join(options.models)}: embeds nothing; {' and '.join(MODELS)} do\n"
    for name in chosen:
        cli.announce(f"{name}: embedding and searching")
        figures[name] = {
            "embed.py, .npy": measure_embedding(name, options.pictures, ".npy"),
            "search": measure_search(name, options.gigabytes),
        }
        for title, rows in figures[name].items():
            text += f"\n## {name}: {title}\n\n{table(rows)}\n"
    print(text)
    if options.out:
        write(options.out, "search", text, {"models": figures})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
