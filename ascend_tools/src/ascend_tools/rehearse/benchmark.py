"""The stand-in for the vendor's `benchmark`, of the guides: an input list or made data, results numbered from 1.

Everything goes to `result` in the working directory, which is one of the device's: another run writes over it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ascend_tools.rehearse import faults, runtime
from ascend_tools.rehearse.result_files import Results, halve, words
from ascend_tools.rehearse.runtime import AclError, Loaded
from ascend_tools.rehearse.slowness import printed
from ascend_tools.rehearse.stand_in import no_library, program, say
from common import rehearsal

Array = NDArray[Any]
_OUT = Path("result")
_FAILED = 1
_NEEDED = ("batch_size", "om_path")
_KNOWN = (
    *_NEEDED,
    "model_type",
    "device_id",
    "input_text_path",
    "input_width",
    "input_height",
    "output_binary",
    "useDvpp",
    "round",
)
_LINE = 4  # fields of a line of the input list: index, path, width, height


class _WrongError(Exception):
    """An argument or an input is wrong; the message is printed."""


@dataclass(frozen=True)
class _Options:
    om: Path
    batch_size: int
    device: int
    listed: Path | None
    size: tuple[int, int]
    binary: bool
    rounds: int


@dataclass
class _Clock:
    """Milliseconds of each stage, and of the network alone."""

    read: float = 0.0
    prepared: float = 0.0
    inferred: float = 0.0
    interface: float = 0.0
    posted: float = 0.0


@program
def main(argv: Sequence[str]) -> int:
    """Run an OM on the files of a list, or on made data without one."""
    if faults.is_asked("no-driver"):
        return no_library("benchmark")
    say(rehearsal.NOTE)
    try:
        options = _parse(argv)
        runtime.PROCESS.begin()
        runtime.open_device(options.device)
        loaded = Loaded(options.om, options.device)
        if loaded.gears or loaded.om.batch_size != options.batch_size:
            raise _WrongError(
                f"batch_size {options.batch_size} does not match the model, which was built for "
                f"{loaded.om.batch_size or loaded.gears}"
            )
        if options.listed is None:
            _pure(loaded, options)
        else:
            _files(loaded, options, options.listed)
    except _WrongError as error:
        say(f"[ERROR] {error}")
        return _FAILED
    except AclError as failure:
        say(*failure.lines)
        return _FAILED
    return 0


def _parse(argv: Sequence[str]) -> _Options:
    given: dict[str, str] = {}
    for word in argv:
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or not equals or name not in _KNOWN:
            raise _WrongError(f"unknown command line flag '{word}'")
        given[name] = value
    if lacking := [name for name in _NEEDED if not given.get(name)]:
        raise _WrongError(f"the parameter -{lacking[0]} is required")
    if "round" not in given and "model_type" not in given:  # pure inference is called without it
        raise _WrongError("the parameter -model_type is required")
    if given.get("model_type", "vision") != "vision":
        raise _WrongError(f"model_type {given['model_type']} is invalid here: the rehearsal knows vision")
    listed = Path(given["input_text_path"]) if given.get("input_text_path") else None
    if listed and not (given.get("input_width") and given.get("input_height")):
        raise _WrongError("the parameters -input_width and -input_height are required")
    if _truth(given, "useDvpp"):
        raise _WrongError("useDvpp=true: the rehearsal has no DVPP, give .bin files")
    return _Options(
        Path(given["om_path"]),
        _number(given, "batch_size", 1),
        _number(given, "device_id", 0),
        listed,
        (_number(given, "input_width", 0), _number(given, "input_height", 0)),
        _truth(given, "output_binary"),
        _number(given, "round", 1, "100"),
    )


def _number(given: dict[str, str], name: str, least: int, default: str = "0") -> int:
    text = given.get(name, default)
    if not text.isdecimal() or int(text) < least:
        raise _WrongError(f"illegal value '{text}' specified for flag '{name}'")
    return int(text)


def _truth(given: dict[str, str], name: str) -> bool:
    words_of = {"true": True, "1": True, "false": False, "0": False}
    text = given.get(name, "false").lower()
    if text not in words_of:
        raise _WrongError(f"illegal value '{text}' specified for bool flag '{name}'")
    return words_of[text]


def _lines(listed: Path) -> list[Path]:
    """Return the files of a list; its fields are separated by white space."""
    if not listed.is_file():
        raise _WrongError(f"open file {listed} failed")
    paths = []
    for line in listed.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields = line.split()
        if len(fields) != _LINE or not all(field.isdecimal() for field in (fields[0], *fields[2:])):
            raise _WrongError(f"{listed}: wrong line {line!r}")
        paths.append(Path(fields[1]))
    if not paths:
        raise _WrongError(f"{listed} is empty")
    return paths


def _files(loaded: Loaded, options: _Options, listed: Path) -> None:
    if len(loaded.inputs) != 1:
        raise _WrongError(f"the model has {len(loaded.inputs)} inputs, vision models have one")
    paths, value, clock = _lines(listed), loaded.inputs[0], _Clock()
    if not {*options.size} <= {*value.shape[1:]}:
        raise _WrongError(f"input_width, input_height {options.size} are not the model's {value.shape}")
    batch_size, size = options.batch_size, value.size_bytes // options.batch_size
    results = Results(_OUT / f"dumpOutput_device{options.device}", len(paths), silent=True)
    rehearsal.mark(_OUT)
    starts = range(0, len(paths), batch_size)
    halve(loaded, len(starts))
    begin = time.perf_counter()
    for start in starts:
        batch = paths[start : start + batch_size]
        clock.read += (took := _timed())()
        rows = [_read(path, size) for path in batch]
        clock.read += took()
        feed = np.zeros(value.size_bytes, np.uint8)  # what a last batch lacks is zeros
        feed[: size * len(rows)] = np.concatenate(rows)
        clock.prepared += took()
        outputs, alone = loaded.run([feed])
        clock.inferred += took()
        clock.interface += alone
        for place, path in enumerate(batch):
            _save(results, path.stem, [output[place] for output in outputs], binary=options.binary)
        clock.posted += took()
    _summary(options, clock, len(paths), 1000 * (time.perf_counter() - begin))


def _timed() -> Any:
    """Return a function that returns the milliseconds since it was called before."""
    last = time.perf_counter()

    def took() -> float:
        nonlocal last
        before, last = last, time.perf_counter()
        return 1000 * (last - before)

    return took


def _read(path: Path, size: int) -> Array:
    if not path.is_file():
        raise _WrongError(f"open file {path} failed")
    content = np.fromfile(path, np.uint8)
    if content.size != size:
        raise _WrongError(
            f"{path}: the size of the file {content.size} is not that of the model's input {size}"
        )
    return content


def _save(results: Results, stem: str, outputs: Sequence[Array], *, binary: bool) -> None:
    names = [f"{stem}_{k}.{'bin' if binary else 'txt'}" for k in range(1, len(outputs) + 1)]
    results.write(
        names, [each.tobytes() if binary else " ".join(words(each)).encode() + b"\n" for each in outputs]
    )


def _summary(options: _Options, clock: _Clock, count: int, total: float) -> None:
    def rate(took: float) -> str:
        return f"{1000 * count / max(took, 1e-6):g}"

    def stage(label: str, took: float) -> str:
        return f"[{label}] throughputRate: {rate(took)}, moduleLatency: {took / count:g}"

    # What is a part of another thing takes no longer than it.
    wrong = printed(clock.inferred)
    interface = clock.interface if wrong == clock.inferred else wrong
    lines = [
        rehearsal.NOTE,
        "-----------------Performance Summary------------------",
        f"[e2e] throughputRate: {rate(total)}, latency: {total:g}",
        stage("data read", clock.read),
        stage("preprocess", clock.read + clock.prepared),
        stage("infer", clock.inferred).replace(
            ", module", f", Interface throughputRate: {rate(interface)}, module"
        ),
        stage("post", clock.inferred + clock.posted),
        "-----------------------------------------------------------",
    ]
    say(*lines)
    path = _OUT / f"perf_vision_batchsize_{options.batch_size}_device_{options.device}.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _pure(loaded: Loaded, options: _Options) -> None:
    """Run made data `rounds` times."""
    _OUT.mkdir(exist_ok=True)
    rehearsal.mark(_OUT)
    arrays = [np.zeros(value.size_bytes, np.uint8) for value in loaded.inputs]
    halve(loaded, options.rounds)
    times = []
    for number in range(options.rounds):
        times.append(loaded.run(arrays)[1])
        say(f"[INFO] Dataset number: {number} finished cost {times[-1]:g}ms")
    each = float(np.mean(times)) / options.batch_size
    name = f"PureInfer_perf_of_{options.om.stem}_in_device_{options.device}.txt"
    say(f"[INFO] PureInfer result saved in ./{_OUT}/{name}")
    told = ("-----------------PureInfer Performance Summary------------------", "-" * 64)
    rates = f"ave_throughputRate{{}}{printed(1000 / each):g}samples/s, ave_latency{{}}{each:g}ms"
    say(rehearsal.NOTE, told[0], "[INFO] " + rates.format(": ", ": "), told[1])
    text = "\n".join((rehearsal.NOTE, rates.format(" = ", " = "), ""))
    (_OUT / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
