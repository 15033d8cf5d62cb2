"""How fast PCB's host side is: the evaluation at Market-1501's size, 3368 x 15913 x 12288, and preprocessing.

nox -s host-benchmark -- pcb

Each figure is CPU seconds, beside what the original script took on another machine of the same kind (2 vCPU Xeon with
AVX-512, two threads): in all, and without the one figure it computes and never prints (CMC cuhk03). The yardstick of
this machine is the matrix product alone, measured in the same run. The last line is a whole command, with its imports
and its peak memory. Writes 1 GB to the temporary directory.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from timing import ROOT, cpu_seconds, report

sys.path.insert(0, str(ROOT / "pcb"))

import postprocess
from common.engine.file_route import write_inputs
from common.facts import read_facts
from pcb_market import market, metric
from pcb_market.market import Picture
from pcb_market.task import TASK
from preprocess import BYTES

QUERIES, GALLERY, PERSONS, CAMERAS = 3368, 15913, 750, 6
# CPU seconds of the original scripts: everything, without CMC cuhk03, one picture to its .bin file.
ALL, REPORTED, PREPROCESS = 216.0, 36.0, 0.0047


def write_results(work: Path) -> None:
    """Write names as Market-1501 has them, and results like the network's: stripes of length 1, not negative."""
    rng = np.random.default_rng(0)
    centres = rng.random((PERSONS + 1, 12288), np.float32)
    for part, folder, count in (("query", "query", QUERIES), ("gallery", "bounding_box_test", GALLERY)):
        (work / "data" / folder).mkdir(parents=True)
        (work / part).mkdir()
        for i in range(count):
            person = int(rng.integers(1 if part == "query" else 0, PERSONS + 1))
            name = f"{person:04d}_c{rng.integers(1, CAMERAS + 1)}s1_{i:06d}_01"
            (work / "data" / folder / f"{name}.jpg").touch()
            features = (centres[person] + 2 * rng.random(12288, np.float32)).reshape(2048, 6)
            (features / np.linalg.norm(features, axis=0)).tofile(work / part / f"{name}_1.bin")


def bench_evaluate(work: Path) -> None:
    facts = read_facts(ROOT / "pcb")
    start = time.process_time()
    data = market.read_market(work / "data")
    query, gallery = (
        postprocess.read_features(work / p, getattr(data, p), facts) for p in ("query", "gallery")
    )
    read = time.process_time() - start
    product = cpu_seconds(lambda: query @ gallery.T, 2)
    evaluated = cpu_seconds(lambda: metric.evaluate(query, gallery, data.query, data.gallery), 2)
    print(f"read {read:.2f} s, evaluate {evaluated:.2f} s, the matrix product alone {product:.2f} s")
    report("in all, of everything", read + evaluated, ALL)
    report("in all, of what is reported", read + evaluated, REPORTED)
    print(
        f"  evaluate {evaluated / product:.2f}, in all {(read + evaluated) / product:.2f} of the matrix product"
    )


def bench_command(work: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = ["-q", str(work / "query"), "-g", str(work / "gallery"), "--data", str(work / "data")]
    command = [sys.executable, "postprocess.py", *words, "--out", str(work / "out")]
    pid = subprocess.Popen(command, cwd=ROOT / "pcb", stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(pid.pid, 0)
    pid.returncode = os.waitstatus_to_exitcode(status)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report("postprocess.py, with imports", spent, REPORTED)
    print(f"  peak memory {usage.ru_maxrss / 2**20:.2f} GiB, the original's 2.9 GB")


def bench_preprocess(work: Path, count: int = 200) -> None:
    smooth = np.random.default_rng(0).integers(0, 256, (128, 64, 3), np.uint8)
    cv2.imwrite(str(work / "a.jpg"), cv2.GaussianBlur(smooth, (9, 9), 0))
    pictures = {str(i): Picture(work / "a.jpg", 1, 0) for i in range(count)}
    rounds = iter(range(100))
    spent = cpu_seconds(
        lambda: write_inputs(TASK, pictures, work / f"prep{next(rounds)}", size=BYTES, workers=1)
    )
    report("preprocess, per picture", spent, PREPROCESS * count, count, "ms")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) == 1:
            bench_preprocess(Path(folder))
            write_results(Path(folder))
            for threads in ("1", "2"):
                print(f"-- {threads} thread(s)")
                environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
                subprocess.run([sys.executable, __file__, folder], check=True, env=environment)
            return 0
        work = Path(sys.argv[1])
        bench_evaluate(work)
        bench_command(work)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
