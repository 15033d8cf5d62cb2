"""Run the guide's steps in this copy of the model directory, without torch, and compare both routes' figures.

python tests/deploy.py --model PCB.onnx [--data Market-1501]

The file route (preprocess, get_info, infer, postprocess) must give the same figures as the streamed one (evaluate).
Without --data drawn pictures serve.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ascend_tools.testing import deployment
from common import cli

HERE = Path(__file__).resolve().parent.parent


run = partial(deployment.run, HERE)


def draw_data(folder: Path) -> Path:
    """Write four drawn persons, one picture as the query and one from another camera, in Market-1501's tree."""
    for person in range(1, 5):
        for part, camera in (("query", 1), ("bounding_box_test", 2)):
            picture = np.full((128, 64, 3), 40 * person, np.uint8)
            cv2.ellipse(picture, (32, 64), (8 + 4 * person, 50), 0, 0, 360, (250, 60 * camera, 0), cv2.FILLED)
            path = folder / part / f"{person:04d}_c{camera}s1_000001_00.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)
    return folder


def read_metrics(folder: Path) -> dict[str, float]:
    """Return the metrics in a metrics.json."""
    metrics: dict[str, float] = json.loads((folder / "metrics.json").read_text())["metrics"]
    return metrics


def different(one: Path, other: Path, data: Path) -> str:
    """Say how the predictions that two routes stored differ, in words; nothing where they are the same."""
    figures, others = read_metrics(one), read_metrics(other)
    same = figures.keys() == others.keys() and all(
        abs(figures[name] - others[name]) <= 1e-6 for name in figures
    )
    return "" if same else f"{figures} and {others}"


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    model, given, batches = deployment.parse(__doc__, argv, "The Market-1501 data set")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = given or draw_data(work / "data")
        run("preprocess.py", "--data", data, "--out", work)
        for part in ("query", "gallery"):
            source, info = work / f"{part}_preproc_data_Ascend310", work / f"{part}.info"
            run("get_info.py", "bin", source, info, "128", "384")
            words = ("-m", "common.infer", "--model", model, "--input", info, "--out", work / part)
            run(*words, *batches)
        results = ("-q", work / "query", "-g", work / "gallery")
        run("postprocess.py", *results, "--data", data, "--out", work / "files")
        run("evaluate.py", "--model", model, "--data", data, "--out", work / "streamed")
        query = min((data / "query").glob("*.jpg"))
        found = ("--gallery", data / "bounding_box_test", "--out", work / "predicted")
        run("predict.py", query, "--model", model, *found)
        run("embed.py", data / "query", "--model", model, "--out", work / "queries.npy")
        stored = ("--gallery", work / "queries.npy", "--out", work / "searched")
        run("predict.py", query, "--model", model, *stored)

        if found := different(work / "files", work / "streamed", data):
            sys.exit(f"error: the file route and the streamed route give {found}")
        files = read_metrics(work / "files")
        print(f"both routes give the same figures: mAP {files['mAP']}, top-1 {files['top-1']}")
        if not (work / "predicted" / f"{query.stem}_matches.jpg").is_file():
            sys.exit("error: predict.py wrote no picture")
        matches = json.loads((work / "searched" / f"{query.stem}_matches.json").read_text())["matches"]
        if Path(matches[0]["image"]) != query.resolve():
            sys.exit("error: predict.py does not find a picture in what embed.py stored of it")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
