"""How fast FaceBoxes' host side is on one CPU core: preprocessing, post-processing, evaluation.

nox -s host-benchmark -- faceboxes

Each figure is CPU seconds per picture. It is set beside what the original script took on another machine of the same
kind (2 vCPU Xeon with AVX-512, one thread), and beside a yardstick measured here in the same run: reading, scaling and
writing with bare OpenCV calls; the evaluation step by step in plain Python. The evaluation is the whole command, its
imports included; the other two leave the imports out, on both sides.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from timing import ROOT, command_seconds, cpu_seconds, report

sys.path.insert(0, str(ROOT / "faceboxes"))

import preprocess
from common.engine.file_route import read_predictions
from common.npu_files.results import open_results
from faceboxes_fddb import fddb
from faceboxes_fddb.fddb import Fold, Picture
from faceboxes_fddb.task import TASK
from tests import naive

# CPU seconds per picture of the original scripts: JPEG of 449x349; 2845 pictures, 5171 faces, 8977 boxes.
ORIGINAL = {"preprocess": 0.017, "postprocess": 0.0085, "evaluate": 11.5 / 2845}


def bench_preprocess(work: Path, count: int = 100) -> None:
    smooth = cv2.GaussianBlur(
        np.random.RandomState(0).randint(0, 256, (349, 449, 3)).astype(np.uint8), (9, 9), 0
    )
    pictures = {}
    for number in range(count):
        path = work / f"{number}.jpg"
        cv2.imwrite(str(path), smooth)
        pictures[str(number)] = path
    rounds = iter(range(100))

    def bare() -> None:
        out = work / f"bare{next(rounds)}"
        out.mkdir()
        for stem, path in pictures.items():
            image = cv2.imread(str(path))
            factor = 1024 / max(image.shape[:2])
            resized = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
            padded = cv2.copyMakeBorder(resized, 0, 1024 - resized.shape[0], 0, 0, cv2.BORDER_CONSTANT)
            padded.tofile(out / f"{stem}.bin")

    def ours() -> None:
        preprocess.preprocess(pictures, work / f"ours{next(rounds)}", workers=1)

    spent = cpu_seconds(ours)
    report("preprocess", spent, ORIGINAL["preprocess"] * count, count, "ms")
    print(f"  {spent / cpu_seconds(bare):.3f} of bare OpenCV calls and tofile")


def bench_postprocess(work: Path, count: int = 200) -> None:
    """Outputs like those of real pictures: some twenty candidates around three faces."""
    random = np.random.RandomState(0)
    stems = [str(number) for number in range(count)]
    for stem in stems:
        loc = random.standard_normal((21824, 4)).astype(np.float32)
        face = random.uniform(0, 0.04, 21824).astype(np.float32)
        face[random.randint(0, 21824, 20)] = random.uniform(0.05, 1, 20)
        loc.tofile(work / f"{stem}_1.bin")
        np.stack((1 - face, face), axis=1).tofile(work / f"{stem}_2.bin")

    def ours() -> None:
        results = open_results(work, stems, [(21824, 4), (21824, 2)])
        faces = dict(read_predictions(TASK, results, dict.fromkeys(stems, 2.276)))
        fddb.write_detections(work / "FDDB_dets.txt", faces)

    report("postprocess", cpu_seconds(ours), ORIGINAL["postprocess"] * count, count, "ms")


def make_evaluation(pictures: int, faces: int, boxes: int) -> tuple[list[Fold], dict[str, np.ndarray]]:
    """Return folds and detections of the size of FDDB: faces found with some error, and false positives."""
    random = np.random.RandomState(0)
    face_of, box_of = random.randint(0, pictures, faces), random.randint(0, pictures, boxes)
    folds: list[Fold] = [[] for _ in range(10)]
    detections = {}
    for number in range(pictures):
        count = (face_of == number).sum()
        radii = random.uniform(15, 90, (count, 1)) * [1, 0.75]
        truth = np.column_stack((radii, random.uniform(1.2, 1.9, count), random.uniform(60, 390, (count, 2))))
        picture = Picture(f"2002/{number}", truth)
        folds[number % 10].append(picture)
        near = truth[:, 3:] - truth[:, 1::-1] + random.normal(0, 4, (count, 2))
        rows = np.column_stack((near, 2 * truth[:, 1::-1], random.uniform(0.4, 1, count)))
        false = random.uniform(0, 300, ((box_of == number).sum(), 5)) * [1, 1, 0.3, 0.3, 1 / 600]
        detections[picture.stem] = np.concatenate((rows, false)).round(3)
    return folds, detections


def write_evaluation(work: Path, folds: list[Fold], detections: dict[str, np.ndarray]) -> None:
    """Write folds and detections as FDDB has them."""
    for number, fold in enumerate(folds, 1):
        lines = []
        for picture in fold:
            rows = [" ".join(f"{value:.6f}" for value in face) + "  1" for face in picture.faces]
            lines += [picture.name, str(len(rows)), *rows]
        (work / f"FDDB-fold-{number:02d}-ellipseList.txt").write_text("\n".join(lines) + "\n")
    boxes = {
        stem: np.column_stack((d[:, :2], d[:, :2] + d[:, 2:4] - 1, d[:, 4])) for stem, d in detections.items()
    }
    fddb.write_detections(work / "FDDB_dets.txt", boxes)


def bench_evaluate(work: Path) -> None:
    pictures = 2845
    folds, detections = make_evaluation(pictures, faces=5171, boxes=8977 - 5171)
    write_evaluation(work, folds, detections)

    words = ["postprocess.py", f"--detections={work / 'FDDB_dets.txt'}", f"--data={work}", f"--out={work}"]
    part = [fold[:10] for fold in folds]
    plain = cpu_seconds(lambda: naive.evaluate(part, detections), repeats=1) * pictures / 100
    spent = command_seconds(words, ROOT / "faceboxes")
    report("evaluate, with imports", spent, ORIGINAL["evaluate"] * pictures, pictures, "ms")
    print(f"  {spent / plain:.3f} of the plain steps")


def main() -> int:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        for bench in (bench_preprocess, bench_postprocess, bench_evaluate):
            work = Path(folder) / bench.__name__
            work.mkdir()
            bench(work)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
