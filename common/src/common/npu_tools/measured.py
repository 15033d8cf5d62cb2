"""What a file says of a network's speed, whichever tool printed it: one measurement for each run and device."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from common import rehearsal
from common.cli import shorten
from common.errors import GuideError
from common.files import read_bytes
from common.npu_tools import ais, benchmark_tool, msame, trtexec
from common.npu_tools.printouts import NUMBER, decode, failures, lines, number, size, telling, unusable
from common.report.throughput import run_rate

_NAMED = re.compile(r"(?:batchsize_|_bs)([0-9]{1,9})(?![0-9])")
# What every evaluate.py prints of its run over a data set.
_EVALUATED = re.compile(rf"([0-9]{{1,9}}) inputs? in ({NUMBER}) s\b")
_DIGITS = 1e-3  # how far the figures of a printout may be off for having few digits
_NEXT = "measure again, or name the file of a run that ended well"


@dataclass(frozen=True)
class Measurement:
    """One run on one device: images per second, or milliseconds of a batch, from which `rate` makes them.

    Attributes:
        tool: the tool that printed it.
        images_per_second: of the one device, where the tool prints it.
        batch_ms: mean milliseconds of a batch, where it prints these only.
        batch_size: images per call, where the file says it.
        device: the device's number, where the file says it.
        pure: whether it is known to be of random data, without files.
        rehearsed: whether it is a rehearsal's, and no NPU's.
    """

    tool: str
    images_per_second: float | None
    batch_ms: float | None = None
    batch_size: int | None = None
    device: int | None = None
    pure: bool = False
    rehearsed: bool = False


def read(path: Path) -> list[Measurement]:
    """Return what a file says; figures that contradict themselves, failures and files without figures are errors."""
    file = decode(read_bytes(path))
    text = telling(file)
    failed = failures(text)
    if failed:
        raise GuideError(
            f"{path}: expected the figures of a run that ended well, found: {shorten(line[:200] for line in failed)}; {_NEXT}, "
            "or remove these lines from the file if they are of another program."
        )
    if found_none := unusable(text):
        raise GuideError(
            f"{path}: expected figures above 0, as in 82.9, found {found_none[-200:]!r}; {_NEXT}."
        )
    rehearsed = rehearsal.is_rehearsed(file)
    found = [
        replace(each, rehearsed=rehearsed)
        for each in (
            *_of_benchmark(text),
            *_of_ais(path, text, file),
            *_of_msame(path, text),
            *_of_trtexec(path, text),
            *(Measurement("evaluate.py", rate) for rate in evaluations(text)),
        )
    ]
    if not found:
        raise GuideError(
            f"{path}: expected figures as benchmark, ais_infer, ais_bench, msame, trtexec, common.infer or evaluate.py print them, found "
            f"none; {_NEXT}."
        )
    named = named_sizes(path)
    inside = {each.batch_size for each in found}
    if named and inside == {None}:
        return [replace(each, batch_size=named[-1]) for each in found]
    if (
        named and len(inside) == 1 and not inside <= {*named}
    ):  # a file of several sizes is named after one at most
        raise GuideError(
            f"{path}: expected one batch size, found {named[-1]} as its name says, {inside.pop()} as is printed in it; "
            "give the file its right name."
        )
    return found


def _check_mean(path: Path, times: Mapping[str, float]) -> None:
    """Refuse a mean that is not between the least and the most, where both are printed."""
    mean = times.get("mean", 0.0)
    least, most = times.get("min", mean), times.get("max", mean)
    if not least * (1 - _DIGITS) <= mean <= most * (1 + _DIGITS):
        raise GuideError(
            f"{path}: the times contradict themselves: expected a mean from {least:g} to {most:g} ms, found {mean:g}; {_NEXT}."
        )


def _of_benchmark(text: str) -> Iterator[Measurement]:
    for run in benchmark_tool.parse(text):
        if run.chip_rate is not None:
            yield Measurement("benchmark", run.chip_rate, None, run.batch_size, run.device, run.pure)


def _of_ais(path: Path, text: str, file: str) -> Iterator[Measurement]:
    pure = "pure_infer_data" in file
    for run in ais.parse(text, file).runs:
        batch_size = None if run.batch_size is None else size(str(run.batch_size))
        _check_mean(path, run.times.get(ais.COMPUTE, {}))
        if run.consistent is False:
            raise GuideError(
                f"{path}: the throughput contradicts itself: expected 1000 x batch size {run.batch_size:g} / mean "
                f"{run.mean_ms:g} ms, found {run.throughput:g}; {_NEXT}."
            )
        if run.throughput is not None:
            yield Measurement("ais_bench", run.throughput, None, batch_size, run.device, pure)
        elif run.mean_ms is not None:
            yield Measurement("ais_bench", None, run.mean_ms, batch_size, run.device, pure)


def _of_msame(path: Path, text: str) -> Iterator[Measurement]:
    for run in msame.parse(text):
        if not run.batch_ms:
            raise GuideError(
                f"{path}: expected a mean time of a batch above 0 ms, found {run.batch_ms}; {_NEXT}."
            )
        yield Measurement("msame", None, run.batch_ms, run.batch_size, run.device, run.pure)


def evaluations(text: str) -> Iterator[float]:
    """Yield the images per second of each run over a data set that an evaluate.py printed in a text."""
    for line in lines(text):
        run = _EVALUATED.match(line)
        seconds = number(run[2]) if run else None
        if run and seconds:
            yield run_rate(int(run[1]), seconds)


def named_sizes(path: Path) -> list[int]:
    """Return the batch sizes that a file's name tells, as in `perf_vision_batchsize_16_device_0.txt`."""
    return [each for digits in _NAMED.findall(path.name) if (each := size(digits))]


def _of_trtexec(path: Path, text: str) -> Iterator[Measurement]:
    for run in trtexec.parse(text):
        _check_mean(path, run.times.get(trtexec.COMPUTE, {}))
        if run.mean_ms is not None:
            yield Measurement("trtexec", None, run.mean_ms, run.batch_size, pure=True)
