"""The stand-in for NVIDIA's `trtexec`: ONNX Runtime's times on this machine's CPU, printed as TensorRT's.

Source: TensorRT documentation, "trtexec", command-line flags of 8.x. Precision is float32 whatever the flags say.
`REHEARSAL_TRTEXEC=7|8|10` chooses whose printout it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ascend_tools.rehearse import trtexec_engine, trtexec_options
from ascend_tools.rehearse import trtexec_printout as printout
from ascend_tools.rehearse.stand_in import program, say
from ascend_tools.rehearse.trtexec_options import FailedError
from common import rehearsal
from common.backends.base import Array, Backend
from common.errors import GuideError
from common.graph.bounds import INPUT
from common.graph.outline import Value


@program
def main(argv: Sequence[str]) -> int:
    """Measure a model as trtexec does, and return its exit status."""
    release = printout.generation()
    say(printout.banner("RUNNING", argv, release), rehearsal.NOTE)
    try:
        options = trtexec_options.read(argv)
        if options.keys() & {"help", "version"}:
            say(trtexec_options.HELP if "help" in options else "TensorRT version: see above")
        else:
            _measure(options, release)
    except FailedError as error:
        say(*(printout.line(str(text), "E") for text in error.args), printout.banner("FAILED", argv, release))
        return 1
    say(printout.banner("PASSED", argv, release))
    return 0


def _measure(options: Mapping[str, str], release: str) -> None:
    numbers = {name: trtexec_options.number(options, name) for name in trtexec_options.NUMBERS}
    percentiles = trtexec_options.percentiles(
        options.get("percentile", "90,95,99" if release == "10" else "99")
    )
    given = trtexec_options.shapes(options.get("shapes") or options.get("optShapes") or "")
    files = trtexec_options.files(options.get("loadInputs", ""))
    _tell(options, numbers)
    try:
        with trtexec_engine.opened(options) as network:
            feeds = _feeds(network, given)
            if "saveEngine" in options:
                trtexec_engine.save(Path(options["onnx"]), Path(options["saveEngine"]))
            if "buildOnly" in options or "skipInference" in options:
                return
            feeds |= {name: _loaded(name, path, feeds) for name, path in files.items()}
            say(printout.line("Starting inference"))
            _warm_up(network, feeds, numbers["warmUp"])
            times, wall = _times(network, feeds, numbers, transfers="noDataTransfers" not in options)
    except GuideError as error:
        raise FailedError(
            str(error),
            "Failed to parse onnx file",
            "Failed to create engine from model or file.",
            "Engine set up failed",
        ) from None
    compute, host = times["GPU Compute Time"], times["Latency"]
    say(
        printout.line("=== Trace details ==="), printout.line(f"Trace averages of {numbers['avgRuns']} runs:")
    )
    say(*map(printout.line, printout.averages(compute, host, max(numbers["avgRuns"], 1))), printout.line(""))
    say(*printout.summary(times, wall, percentiles, release))


def _tell(options: Mapping[str, str], numbers: Mapping[str, int]) -> None:
    """Print what was asked for, as TensorRT does before it builds."""
    say(
        *map(
            printout.line,
            [
                "=== Model Options ===",
                *(
                    ["Format: *", "Model: "]
                    if "loadEngine" in options
                    else ["Format: ONNX", f"Model: {options['onnx']}"]
                ),
                "=== Build Options ===",
                "Max batch: explicit batch",
                f"Precision: FP32{'+FP16' if 'fp16' in options else ''}",
                "=== Inference Options ===",
                "Batch: Explicit",
                *(
                    f"Input inference shape: {word.replace(':', '=')}"
                    for word in trtexec_options.words(options.get("shapes", ""))
                ),
                f"Iterations: {numbers['iterations']}",
                f"Duration: {numbers['duration']}s (+ {numbers['warmUp']}ms warm up)",
            ],
        )
    )


def _feeds(network: Backend, given: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Return random inputs of the shapes asked for; 1 where a model leaves a side open and nothing is said."""
    names = [value.name for value in network.inputs]
    for name in given:
        if name not in names:
            raise FailedError(
                f'Cannot find input tensor with name "{name}" in the network inputs! Please make sure the input tensor '
                "names are correct."
            )
    random = np.random.default_rng(0)
    feeds = {}
    for value in network.inputs:
        shape = _shape(value, given)
        if math.prod(shape) * np.dtype(value.dtype).itemsize > INPUT:
            raise FailedError(f"Requested amount of GPU memory for {value.name} could not be allocated")
        values = random.standard_normal(shape, np.float32)
        feeds[value.name] = (values if value.dtype.startswith("float") else np.abs(values)).astype(
            value.dtype
        )
    return feeds


def _loaded(name: str, path: Path, feeds: Mapping[str, Array]) -> Array:
    """Return an input from a file of its bytes."""
    if name not in feeds:
        raise FailedError(f"Cannot find input tensor with name {name}")
    expected = feeds[name]
    size = path.stat().st_size if path.is_file() else None
    if size is None:
        raise FailedError(f"Cannot open file {path}!", "Inference set up failed")
    if size != expected.nbytes:
        raise FailedError(
            f"Unexpected file size for input file: {path}. Note: Input binding size is: {expected.nbytes} bytes but the file "
            f"size is {size} bytes. Double check the size and datatype of the provided data.",
            "Inference set up failed",
        )
    return np.fromfile(path, expected.dtype).reshape(expected.shape)


def _shape(value: Value, given: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    fixed = all(isinstance(side, int) for side in value.shape)
    if value.name not in given:
        shape = tuple(side if isinstance(side, int) else 1 for side in value.shape)
        if not fixed:
            say(
                printout.line(
                    f"Dynamic dimensions required for input: {value.name}, but no shapes were provided. Automatically "
                    f"overriding shape to: {'x'.join(map(str, shape))}",
                    "W",
                )
            )
        return shape
    if fixed:
        raise FailedError(
            "Static model does not take explicit shapes since the shape of inference tensors will be determined by the "
            "model itself",
            "Network And Config setup failed",
            "Building engine failed",
        )
    shape = given[value.name]
    if len(shape) != len(value.shape) or any(
        isinstance(own, int) and own != side for own, side in zip(value.shape, shape, strict=True)
    ):
        raise FailedError(
            f"{value.name}: for dimension number of optimization profile, expected {value.shape}, found {shape}",
            "Building engine failed",
        )
    return shape


def _warm_up(network: Backend, feeds: Mapping[str, Array], milliseconds: int) -> None:
    end = time.perf_counter() + milliseconds / 1000
    while time.perf_counter() < end:
        network.run(feeds)


def _times(
    network: Backend, feeds: Mapping[str, Array], numbers: Mapping[str, int], *, transfers: bool
) -> tuple[dict[str, printout.Times], float]:
    """Return the milliseconds of each batch by what is timed, and the seconds of all.

    What counts as transfer is a copy of the inputs and of the outputs.
    """
    copied: list[tuple[float, float, float]] = []
    clock: Callable[[], float] = time.perf_counter
    begin = clock()
    while len(copied) < max(numbers["iterations"], 1) or clock() - begin < numbers["duration"]:
        start = clock()
        given = {name: values.copy() for name, values in feeds.items()} if transfers else feeds
        there = clock()
        outputs = network.run(given)
        done = clock()
        if transfers:
            outputs = [output.copy() for output in outputs]
        copied.append((there - start, done - there, clock() - done))
    wall = clock() - begin
    to, compute, back = 1000 * np.array(copied).T
    return {
        "Latency": to + compute + back,
        "Enqueue Time": compute,
        "H2D Latency": to,
        "GPU Compute Time": compute,
        "D2H Latency": back,
    }, wall
