"""The vendor's `msame`: its command line, and what it prints of its performance.

Source: `msame` in the vendor's repository of tools. It runs every file of a directory, each a whole batch, or else made-up
zeros; the results lie in a directory with the date. Errors in its arguments end it with exit status 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.npu_tools.printouts import NUMBER, lines, number, size
from common.npu_tools.tool import Job, Tool, on_path

MOST_LOOPS = 100
_AVERAGE = re.compile(rf"Inference average time( without first time)?\s*:\s*({NUMBER})\s*ms", re.IGNORECASE)
_CALL = re.compile(rf"\bInference time\s*:\s*({NUMBER})\s*ms", re.IGNORECASE)
_DEVICE = re.compile(r"\bopen device ([0-9]{1,4}) success")
# How the guides name the file of a model; msame prints nothing else of the batch size.
_NAMED = re.compile(r"(?:--model[ =]|load model )\S*_bs([0-9]{1,9})(?![0-9])\S*\.om\b")
_LOADED, _FILE = "load model", "start to process file"


@dataclass
class Run:
    """One run: mean milliseconds of a batch, of all and of all but the first; the device, where it is printed.

    `batch_size` is as the model's file is named.

    `pure` tells that the whole printout is there, and has no file. `calls` are the milliseconds of single batches, as far as
    they are printed.
    """

    average_ms: float | None = None
    average_without_first_ms: float | None = None
    device: int | None = None
    pure: bool = False
    batch_size: int | None = None
    calls: list[float] = field(default_factory=list, compare=False)

    @property
    def batch_ms(self) -> float | None:
        """Milliseconds of a batch, without the first one where that is known: it warms up."""
        without = self.average_without_first_ms
        return self.average_ms if without is None else without


def parse(text: str) -> list[Run]:
    """Return the runs in a printout, in their order."""
    runs: list[Run] = []
    calls: list[float] = []
    device, loaded, files, batch_size = None, False, False, None
    for line in lines(text):
        if opened := _DEVICE.search(line):
            device, loaded, files = int(opened[1]), False, False
        if named := _NAMED.search(line):
            batch_size = size(named[1])
        loaded, files = loaded or _LOADED in line, files or _FILE in line
        if call := _CALL.search(line):
            calls.append(number(call[1]) or 0.0)
        if not (average := _AVERAGE.search(line)):
            continue
        if not average[1]:
            runs.append(Run(number(average[2]), None, device, loaded and not files, batch_size, calls))
            calls, batch_size = [], None
        elif runs and runs[-1].average_without_first_ms is None:
            runs[-1].average_without_first_ms = number(average[2])
    return runs


def calls(text: str) -> list[float]:
    """Return the milliseconds of all single batches in a printout, those of a run that was cut off among them."""
    return [number(call[1]) or 0.0 for line in lines(text) if (call := _CALL.search(line))]


def _find(here: Path) -> list[str] | None:
    return on_path("msame", [here])


def _files(program: Sequence[str], job: Job) -> list[str]:
    words = ["--model", str(job.model), "--input", str(job.inputs), "--output", str(job.results)]
    return [*program, *words, "--outfmt", "BIN", "--device", str(job.device)]


def _pure(program: Sequence[str], job: Job) -> list[str]:
    words = ["--model", str(job.model), "--output", str(job.results), "--outfmt", "BIN"]
    return [*program, *words, "--loop", str(job.loops), "--device", str(job.device)]


def _figures(job: Job, printed: str) -> tuple[str, str] | None:
    """Return the printout itself, in a file whose name says what it does not say: the batch size."""
    kind = "pure_" if job.loops else ""
    name = f"msame_{kind}batchsize_{job.batch_size}_device_{job.device}.txt"
    return (name, printed) if parse(printed) else None


MSAME = Tool(
    name="msame",
    install="put msame on PATH",
    find=_find,
    files=_files,
    pure=_pure,
    figures=_figures,
    whole_batches=True,
    splits=(",", ".bin"),
    most_loops=MOST_LOOPS,
)
