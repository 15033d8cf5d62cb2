"""How fast LResNet100E-IR's host side is: scoring LFW's 24,000 result files, as text and as bytes, and preprocessing.

nox -s host-benchmark -- lresnet100e_ir

Each figure is CPU seconds without imports, beside what the original script took on another machine of the same kind
(2 vCPU Xeon with AVX-512). It is taken with one thread and with two.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from timing import ROOT, cpu_seconds, report

sys.path.insert(0, str(ROOT / "lresnet100e_ir"))

from common.engine.file_route import write_inputs
from common.npu_files.results import open_results
from lresnet_lfw import lfw
from lresnet_lfw.lfw import Face
from lresnet_lfw.postprocessing import add_flipped
from lresnet_lfw.scoring import score
from lresnet_lfw.task import TASK
from preprocess import BYTES

PAIRS = 6000
# CPU seconds of the original scripts: 24,000 text files, scored; one picture to two .bin files.
SCORE, PREPROCESS = 8.8, 0.0017


def write_results(work: Path) -> np.ndarray:
    """Write results like LFW's, as bytes and as text, and return whether each pair is the same person's."""
    rng = np.random.default_rng(0)
    same = np.arange(PAIRS) // 300 % 2 == 0
    features = rng.standard_normal((2 * PAIRS, 512), np.float32)
    features[1::2][same] += 2 * features[0::2][same]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    for suffix in ("bin", "txt"):
        (work / suffix).mkdir()
    for name, row in zip(lfw.input_names(PAIRS)[0], features, strict=True):
        for stem in (name, f"{name}_flip"):
            row.tofile(work / "bin" / f"{stem}_1.bin")
            text = " ".join(map("{:.9g}".format, row.tolist()))
            (work / "txt" / f"{stem}_1.txt").write_text(text + "\n")
    return same


def bench_score(folder: Path, same: np.ndarray) -> None:
    def ours() -> None:
        names, mirrored = lfw.input_names(len(same))
        results = open_results(folder, names + mirrored, [(512,)])
        score(same, add_flipped(results.read_all(names), results.read_all(mirrored)))

    ours()  # imports scikit-learn
    start = time.perf_counter()
    report(f"score {4 * PAIRS} .{folder.name} results", cpu_seconds(ours, 5), SCORE)
    print(
        f"  {(time.perf_counter() - start) / 5:.3f} s by the clock, {os.environ['OMP_NUM_THREADS']} thread(s)"
    )


def bench_preprocess(work: Path, count: int = 400) -> None:
    smooth = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    data = cv2.imencode(".jpg", cv2.GaussianBlur(smooth, (9, 9), 0))[1].tobytes()
    (work / "lfw.bin").write_bytes(data)
    faces = dict(lfw.both({str(i): Face(work / "lfw.bin", i, data) for i in range(count)}))
    rounds = (work / f"prep{number}" for number in range(100))
    spent = cpu_seconds(lambda: write_inputs(TASK, faces, next(rounds), size=BYTES, workers=1))
    report("preprocess, per picture", spent, PREPROCESS * count, count, "ms")


def main() -> int:
    if len(sys.argv) > 1:  # one run, with the number of threads that the environment says
        work = Path(sys.argv[1])
        same = np.load(work / "same.npy")
        for suffix in ("txt", "bin"):
            bench_score(work / suffix, same)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        np.save(work / "same.npy", write_results(work))
        for threads in ("1", "2"):
            environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
            subprocess.run([sys.executable, __file__, folder], check=True, env=environment)
        bench_preprocess(work)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
