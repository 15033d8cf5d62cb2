"""The options of `trtexec`, as TensorRT's documentation of 8.x has them: names, values, and which are not rehearsed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

# Flags with a value, and those without, that the documentation of 8.x has.
_WITH_VALUE = """
onnx minShapes optShapes maxShapes inputIOFormats outputIOFormats workspace memPoolSize profilingVerbosity minTiming
avgTiming sparsity timingCacheFile precisionConstraints layerPrecisions layerOutputTypes saveEngine loadEngine
tacticSources calib shapes loadInputs iterations warmUp duration sleepTime idleTime streams infStreams avgRuns
percentile exportTimes exportOutput exportProfile exportLayerInfo device useDLACore plugins batch maxBatch
builderOptimizationLevel uff uffInput model deploy output
"""
_WITHOUT = """
refit noTF32 fp16 bf16 int8 fp8 best noBuilderCache directIO safe consistency restricted buildOnly skipInference
heuristic explicitBatch exposeDMA noDataTransfers useManagedMemory useSpinWait threads useCudaGraph timeDeserialize
timeRefit separateProfileRun verbose dumpRefit dumpOutput dumpProfile dumpLayerInfo allowGPUFallback help version
stronglyTyped
"""
_VALUES, _FLAGS = frozenset(_WITH_VALUE.split()), frozenset(_WITHOUT.split())
_NOT_REHEARSED = (
    "uff",
    "model",
    "deploy",
    "batch",
    "maxBatch",
    "int8",
    "fp8",
)
NUMBERS = {"iterations": 10, "warmUp": 200, "duration": 3, "avgRuns": 10}
HELP = "=== Model Options ===\n  --onnx=<file>  ONNX model\n=== Inference Options ===\n  --shapes=spec  name:1x3x256x256,..."


class FailedError(Exception):
    """A call that ends with FAILED; the lines that say why."""


def read(given: Sequence[str]) -> dict[str, str]:
    """Return the options by name; what is no documented flag, and one that is not rehearsed, is an error."""
    options: dict[str, str] = {}
    for word in given:
        name, equals, value = word.removeprefix("--").partition("=")
        if word == "-h":
            name, equals = "help", ""
        elif not word.startswith("--") or name not in (_VALUES if equals else _FLAGS):
            raise FailedError(f"Unknown option: {word}")
        options[name] = value
    for name in _NOT_REHEARSED:
        if name in options:
            raise FailedError(f"--{name} is not rehearsed")
    if not options.keys() & {"onnx", "loadEngine"} and not options.keys() & {"help", "version"}:
        raise FailedError("Model missing or format not recognized")
    return options


def number(options: Mapping[str, str], name: str) -> int:
    """Return an option's number, or its default: runs, milliseconds of the warm-up, seconds, runs of an average."""
    text = options.get(name, str(NUMBERS[name]))
    if not re.fullmatch("[0-9]{1,9}", text):
        raise FailedError(f"Invalid value {text} for option --{name}")
    return int(text)


def percentiles(text: str) -> list[float]:
    """Return the percentiles of `90,95,99`."""
    asked = text.split(",")
    if not all(re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?|100", word) for word in asked):
        raise FailedError(f"Invalid value {text} for option --percentile")
    return [float(word) for word in asked]


def words(spec: str) -> list[str]:
    """Return the parts of an option for several tensors."""
    return [word.strip("'\"") for word in spec.split(",") if word]


def files(spec: str) -> dict[str, Path]:
    """Return the files of `name:file,...`, from which inputs are to be loaded."""
    found = {}
    for word in words(spec):
        name, colon, file = word.partition(":")
        if not (name and colon and file):
            raise FailedError(f"Invalid input values {word}, expected name:file")
        found[name.strip("'\"")] = Path(file)
    return found


def shapes(spec: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of `name:1x3x4x6,...`."""
    found = {}
    for word in words(spec):
        name, _, sides = word.rpartition(":")
        if not name or not re.fullmatch(r"[1-9][0-9]{0,8}(x[1-9][0-9]{0,8})*", sides):
            raise FailedError(f"Invalid shapes {word}, expected name:1x3x256x256")
        found[name.strip("'\"")] = tuple(map(int, sides.split("x")))
    return found
