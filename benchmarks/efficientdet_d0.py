"""How fast EfficientDet-D0's host side is on one CPU core: preprocessing and postprocessing.

nox -s host-benchmark -- efficientdet_d0

Each figure is CPU seconds per picture without imports, beside what the original scripts took on another machine of the
same kind (2 vCPU Xeon with AVX-512, one thread), with other pictures: decoding depends on them. The yardstick of this
machine is the same work in bare calls, measured in the same run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from timing import ROOT, cpu_seconds, report

sys.path.insert(0, str(ROOT / "efficientdet_d0"))

from common.engine.file_route import write_inputs
from efficientdet_coco.coco import Picture
from efficientdet_coco.preprocessing import placement
from efficientdet_coco.task import TASK
from preprocess import BYTES

# Seconds per picture of the original: JPEG of 640x427 to .bin (199 pictures/s), ten maps to detections.
PREPROCESS, POSTPROCESS = 1 / 199, 0.085


def scene(seed: int) -> list[np.ndarray]:
    """Return ten maps like the network's: forty objects that stand out of noise."""
    random = np.random.RandomState(seed)
    sides = (64, 32, 16, 8, 4)
    classes = [(random.standard_normal((810, s, s)) * 0.8 - 6).astype(np.float32) for s in sides]
    boxes = [(random.standard_normal((36, s, s)) * 0.25).astype(np.float32) for s in sides]
    for _ in range(40):
        level = classes[random.randint(5)]
        y, x = random.randint(1, level.shape[1] - 1, 2)
        level[random.randint(810), y - 1 : y + 2, x - 1 : x + 2] += random.uniform(3, 8)
    return classes + boxes


def bench_preprocess(work: Path, count: int = 100) -> None:
    smooth = np.random.RandomState(0).randint(0, 256, (427, 640, 3)).astype(np.uint8)
    cv2.imwrite(str(work / "a.jpg"), cv2.GaussianBlur(smooth, (9, 9), 0))
    pictures = {str(i): Picture(i, work / "a.jpg", 640, 427) for i in range(count)}
    rounds = iter(range(100))

    def bare() -> None:
        for i in range(count):
            scaled = Image.open(work / "a.jpg").convert("RGB").resize((512, 341), Image.Resampling.BILINEAR)
            canvas = Image.new("RGB", (512, 512), (124, 116, 104))
            canvas.paste(scaled)
            pixels = np.asarray(canvas, np.float32).transpose(2, 0, 1)
            ((pixels - np.float32(120)) / np.float32(58)).tofile(work / f"{i}.bin")

    def ours() -> None:
        write_inputs(TASK, pictures, work / f"prep{next(rounds)}", size=BYTES, workers=1)

    spent = cpu_seconds(ours)
    report("preprocess, per picture", spent, PREPROCESS * count, count, "ms")
    print(f"  {spent / cpu_seconds(bare):.3f} of bare Pillow and numpy calls and tofile")


def bench_postprocess(count: int = 20) -> None:
    scenes = [scene(seed) for seed in range(count)]
    placed = placement(640, 427)
    spent = cpu_seconds(lambda: [TASK.finish(maps, placed) for maps in scenes])
    report("postprocess, per picture", spent, POSTPROCESS * count, count, "ms")


def main() -> int:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        bench_preprocess(Path(folder))
    bench_postprocess()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
