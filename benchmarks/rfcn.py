"""How fast R-FCN's host side is on one CPU core, and its ONNX file on all of them, beside torch.

nox -s host-benchmark -- rfcn

The host's figures are CPU seconds per picture without imports, beside what the original scripts took on another machine
of the same kind (2 vCPU Xeon with AVX-512, one thread). The forward pass is timed by the clock, ONNX Runtime and torch
by turns, with seeded weights and as many threads as they choose.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from timing import ROOT, cpu_seconds, report

sys.path.insert(0, str(ROOT / "rfcn"))

from common.backends.base import run_batch
from common.backends.deployed import open_model
from common.backends.torch import Torch
from common.export.onnx_file import random_inputs
from common.facts import read_facts
from pth2onnx import export_form
from rfcn_voc import metric
from rfcn_voc.detections import Detections, read_detections, write_detections
from rfcn_voc.network import seeded
from rfcn_voc.postprocessing import detect
from rfcn_voc.preprocessing import network_input, placement
from rfcn_voc.voc import Objects, Picture, Voc

# Seconds per picture of the original: 427x640 to the canvas, outputs to detections, evaluation of 20 classes.
PREPROCESS, POSTPROCESS, EVALUATE = 0.0107, 0.0067, 0.0009


def bench_preprocess(count: int = 50) -> None:
    noise = np.random.RandomState(0).randint(0, 256, (427, 640, 3)).astype(np.uint8)
    image = Image.fromarray(cv2.GaussianBlur(noise, (9, 9), 0))

    def ours() -> None:
        for _ in range(count):
            network_input(image)

    spent = cpu_seconds(ours)
    report("preprocess, per picture", spent, PREPROCESS * count, count, "ms")

    def bare() -> None:
        for _ in range(count):
            values = np.asarray(image)[..., ::-1].astype(np.float32) - np.float32(50.674869)
            scaled = cv2.resize(values, None, fx=512 / 427, fy=512 / 427).transpose(2, 0, 1)
            height, width = scaled.shape[1:]
            np.pad(scaled, ((0, 0), (0, 1344 - height), (0, 1344 - width)))

    print(f"  {spent / cpu_seconds(bare):.3f} of bare numpy and OpenCV calls")


def outputs(seed: int) -> list[np.ndarray]:
    """Return outputs like the network's: 300 regions about twenty places, a probable class in each place."""
    random = np.random.RandomState(seed)
    place = random.randint(20, size=300)
    centres = random.uniform(60, 450, (20, 2))[place] + random.standard_normal((300, 2)) * 15
    halves = random.uniform(20, 120, (20, 2))[place] * np.exp(random.standard_normal((300, 2)) * 0.2)
    rois = np.column_stack((np.zeros(300), centres - halves, centres + halves)).clip(0, 511)
    logits = random.standard_normal((300, 21)) * 1.5
    logits[np.arange(300), random.randint(21, size=20)[place]] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    regressions = random.standard_normal((300, 84)) * 0.5
    return [values.astype(np.float32) for values in (rois, probabilities, regressions)]


def bench_postprocess(count: int = 100) -> None:
    made, placed = [outputs(seed) for seed in range(count)], placement(640, 480)
    spent = cpu_seconds(lambda: [detect(each, placed) for each in made])
    report("postprocess, per picture", spent, POSTPROCESS * count, count, "ms")


def bench_evaluate(work: Path, count: int = 1000) -> None:
    random = np.random.RandomState(0)
    data = Voc(work, {f"{i:06}": Picture(f"{i:06}", work / f"{i:06}.jpg") for i in range(count)})

    def boxes(number: int) -> np.ndarray:
        low = random.uniform(1, 300, (number, 2))
        return np.column_stack((low, low + random.uniform(20, 200, (number, 2))))

    number = 3 * count
    truth = Objects(
        np.sort(random.randint(count, size=number)),
        random.randint(20, size=number),
        boxes(number).round(),
        random.uniform(size=number) < 0.1,
    )
    found = {
        stem: np.column_stack((boxes(100), random.uniform(size=100), random.randint(1, 21, 100)))
        for stem in data.pictures
    }
    write_detections(work, data, found)

    def evaluate() -> None:
        detections: Detections = read_detections(work, data)
        metric.evaluate(truth, detections)

    spent = cpu_seconds(evaluate)
    report("read and evaluate, per picture", spent, EVALUATE * count, count, "ms")


def bench_forward(work: Path, rounds: int = 4) -> None:
    facts, network = read_facts(ROOT / "rfcn"), seeded()
    export_form(network, facts, work / facts.onnx)
    # No padding: over it seeded weights, unlike trained ones, fade into numbers that processors are slow with.
    feeds = {facts.inputs[0].name: random_inputs(facts, 1)}
    with open_model(work / facts.onnx) as deployed, Torch(network, deployed) as torch:
        spent: dict[str, list[float]] = {deployed.name: [], torch.name: []}
        for _ in range(rounds):
            for backend in (deployed, torch):
                start = time.perf_counter()
                run_batch(backend, feeds)
                spent[backend.name].append(time.perf_counter() - start)
    ours, theirs = map(min, spent.values())
    print(
        f"forward, guide's form: ONNX Runtime {ours:.2f} s, torch {theirs:.2f} s, ratio {ours / theirs:.2f}"
    )


def main() -> int:
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everything)})
    bench_preprocess()
    bench_postprocess()
    with tempfile.TemporaryDirectory() as folder:
        bench_evaluate(Path(folder))
        os.sched_setaffinity(0, everything)
        bench_forward(Path(folder))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
