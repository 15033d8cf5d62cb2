"""Measurements as a quiet machine would give them, for the tests that judge and show them; each test makes its fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ascend_tools.benchmark.measurements import Candidate, EndToEnd, Load, Measured, Outputs, Process, Pure

CPU = Candidate("onnxruntime", "CPU", "float32", {None: Path("output/pcb.onnx")})
OM = Candidate("om", "310P", "float16", {1: Path("PCB_bs1.om"), 8: Path("PCB_bs8.om")})
QUIET = Load(
    seconds=2.0,
    cores=4.0,
    own=7.8,
    others=0.05,
    busiest=Process(12, "cron", 0.04),
    steal=0.01,
    clock_mhz=3000.0,
)
JITTER = (1.0, 1.01, 0.99, 1.005, 0.995)


def pure(rate=100.0, batch_size=1, calls=40, load=QUIET, **more):
    """One round of a backend that does `rate` images per second."""
    milliseconds = 1000 * batch_size / rate
    return Pure(
        calls_ms=(milliseconds,) * calls,
        images=calls * batch_size,
        seconds=calls * milliseconds / 1000,
        load=load,
        **{"distinct": 8, **more},
    )


def stream(rate=80.0, load=QUIET):
    """One round end to end; preprocessing has two threads, and is what it waits for."""
    return EndToEnd(
        images=200,
        seconds=200 / rate,
        stages={"preprocess": 4.0, "stack": 0.1, "infer": 1.5, "postprocess": 0.4},
        threads={"preprocess": 2, "stack": 2, "infer": 1, "postprocess": 2},
        load=load,
    )


def rounds(candidate=CPU, rate=100.0, batch_size=1, count=5, load=QUIET, end_to_end=True, calls=40, **more):
    """Rounds of one backend at one batch size."""
    return [
        Measured(
            candidate,
            batch_size,
            pure(rate * JITTER[k % 5], batch_size, calls, load, **more),
            stream(0.8 * rate * JITTER[k % 5], load) if end_to_end else None,
            k,
        )
        for k in range(count)
    ]


def with_loads(measured, loads):
    """Give each round another load, pure and end to end alike."""
    return [
        replace(
            each,
            pure=replace(each.pure, load=load),
            end_to_end=each.end_to_end and replace(each.end_to_end, load=load),
        )
        for each, load in zip(measured, loads, strict=True)
    ]


def outputs(candidate=CPU, ok=True, words="at most 3 % of the accepted difference", batch_size=None):
    """What is known of the outputs of a backend."""
    return Outputs(
        candidate.backend, candidate.device, candidate.precision, batch_size, ok, words, {"output_1": 1e-6}
    )
