"""What the predict.py of every detector shares: its arguments, and the pictures and JSON files that it writes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common import cli
from common.backends.base import Backend, choose_batch_size, models_of
from common.backends.deployed import add_backend, chosen_runtime, open_deployed
from common.engine.stream import run
from common.engine.task import ContextT, Source, Task, file_of
from common.facts import Facts, Tensor
from common.files import write_json
from common.images.draw import GREEN, Colour, colour_of, draw_boxes
from common.images.read import read_image, write_image
from common.timing import Stopwatch

Array = NDArray[Any]


def parse(
    arguments: argparse.ArgumentParser, argv: Sequence[str] | None, *, what: str, score: float
) -> argparse.Namespace:
    """Add the arguments of a predict.py and parse them.

    `what` is found, "faces" for one; without --score what scores less than `score` is left out.
    """
    add = arguments.add_argument
    add(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGE",
        help="A picture, JPEG, PNG or BMP; EXIF rotation is applied.",
    )
    add(
        "--model",
        type=Path,
        required=True,
        metavar="F",
        help="The ONNX file or OM file to run; section 3 of the README.",
    )
    add(
        "--out",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help=f"The directory for <name>_{what}.jpg and <name>_{what}.json (default: %(default)s).",
    )
    add(
        "--score",
        type=cli.number(0, 1),
        default=score,
        metavar="P",
        help=f"Leave out {what} whose score, 0 to 1, is below this (default: %(default)s).",
    )
    add_backend(arguments)
    return arguments.parse_args(argv)


def opened(
    options: argparse.Namespace, facts: Facts, folder: Path, optional: Sequence[Tensor] = ()
) -> Backend:
    """Open the model that `options` name for their pictures, see `common.backends.deployed.open_deployed`."""
    return open_deployed(
        options.model, chosen_runtime(options), facts, folder, optional, at_once=len(options.images)
    )


def draw_detections(
    task: Task[Path, ContextT, Array],
    deployed: Backend,
    options: argparse.Namespace,
    *,
    what: str,
    name_of: Callable[[int], str] | None = None,
) -> None:
    """Write each picture with what was found drawn on it, and a JSON file beside it.

    The task's results are Nx5, xmin, ymin, xmax, ymax in pixels of the upright picture and score; or, with `name_of`,
    Nx6 with a category.
    """
    watch = Stopwatch()
    pictures = cli.by_stem(options.images)
    batch_size = choose_batch_size(deployed, None)
    models = models_of(deployed)
    with closing(run(task, models, pictures, batch_size=batch_size, workers=1, watch=watch)) as results:
        for stem, found in cli.progress(results, len(pictures), "predict"):
            kept = found[found[:, 4] >= options.score]
            target = options.out / f"{stem}_{what}.jpg"
            image, rows = _draw(target, pictures[stem], kept, name_of, own=True)
            size = {"width": image.shape[1], "height": image.shape[0]}
            write_json(
                target.with_suffix(".json"),
                {"image": str(pictures[stem]), **size, **made_by(deployed), what: rows},
            )
            print(f"{target}: {cli.counted(len(kept), what[:-1])} in {pictures[stem]}")
    print(
        f"{1000 * watch.seconds['infer'] / len(pictures):.0f} ms in the network for each picture, with {deployed.name}, "
        f"{deployed.precision}"
    )


def draw_found(
    out: Path,
    sources: Mapping[str, Source],
    found: Mapping[str, Array],
    *,
    what: str,
    score: float,
    name_of: Callable[[int], str] | None = None,
) -> Path:
    """Write the pictures of a data set with what was found drawn on them to `out`, and return it.

    `found` is by stem, as in `draw_detections`; what scores less than `score` is left out.
    """
    for stem, boxes in found.items():
        kept = boxes[boxes[:, 4] >= score]
        _draw(out / f"{stem}_{what}.jpg", file_of(sources[stem]), kept, name_of, own=False)
    return out


def made_by(deployed: Backend) -> dict[str, str]:
    """Return what a JSON file says of what made its figures."""
    return {"backend": deployed.name, "precision": deployed.precision}


def _draw(
    target: Path, picture: Path, kept: Array, name_of: Callable[[int], str] | None, *, own: bool
) -> tuple[Array, list[dict[str, Any]]]:
    """Write a picture with detections drawn on it; return the picture, and what a JSON file says of the detections."""
    image = read_image(picture, own=own)
    labels, colours, rows = _describe(kept, name_of)
    write_image(target, draw_boxes(image, kept[:, :4], labels, colours))
    return image, rows


def _describe(
    found: Array, name_of: Callable[[int], str] | None
) -> tuple[list[str], list[Colour], list[dict[str, Any]]]:
    """Return labels and colours to draw detections with, and what the JSON file says of them."""
    labels, colours, rows = [], [], []
    for box, (score, *category) in zip(found[:, :4].tolist(), found[:, 4:].tolist(), strict=True):
        row: dict[str, Any] = {"box": [round(value, 3) for value in box], "score": round(score, 6)}
        if name_of:
            number = int(category[0])
            row |= {"category": number, "name": name_of(number)}
        rows.append(row)
        labels.append(f"{row['name']} {score:.2f}" if name_of else f"{score:.2f}")
        colours.append(colour_of(number) if name_of else GREEN)
    return labels, colours, rows
