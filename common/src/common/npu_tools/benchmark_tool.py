"""What the vendor's `benchmark` prints of its performance, on a run over files and in pure inference.

Forms seen in public guides: labels differ ([infer], [inference]), a comma may be missing, a line may stand alone, and
pure inference writes "=" into its file where it prints ":". So all is read by label and key, nothing by position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from common.npu_tools.printouts import NUMBER, lines, number, size

_LABELS = {"inference": "infer", "postprocess": "post"}
_PAIR = re.compile(
    rf"\b(Interface throughputRate|throughputRate|moduleLatency|ave_throughputRate|ave_latency|latency)"
    rf"\s*[:=]\s*({NUMBER})",
    re.IGNORECASE,
)
_KEYS = {
    key.lower(): key for key in ("Interface throughputRate", "throughputRate", "moduleLatency", "latency")
} | {"ave_throughputrate": "ave_throughputRate", "ave_latency": "ave_latency_ms_per_sample"}
_LABEL = re.compile(r"\[(e2e|data read|preprocess|infer|inference|post|postprocess)\]", re.IGNORECASE)
_ALONE = re.compile(
    rf"(?:\[INFO\]\s*)?Interface throughputRate\s*[:=]\s*{NUMBER}(?=,?\s*(?:$|moduleLatency))", re.IGNORECASE
)
_BATCH = re.compile(r"(?:-batch_size[= ]|batchsize_|_bs(?=[0-9]+_in_device))([0-9]{1,9})(?![0-9])")
# What `common.infer` prints below its figures: of the run above, where all else is of the one that follows.
_ABOVE = re.compile(
    r"\[batch\] size: ([0-9]{1,9})(?![0-9])|_batchsize_([0-9]{1,9})(?:_device_[0-9]+)?\.txt: "
)
_DEVICE = re.compile(r"(?:-device_id[= ]|_device_)([0-9]{1,4})(?![0-9])")
_CALL = re.compile(rf"\bDataset number: ([0-9]{{1,9}}) finished cost ({NUMBER})\s*ms", re.IGNORECASE)
PURE = "pure_infer"


@dataclass
class Run:
    """One performance summary: figures by label and key; those of pure inference have the label "pure_infer".

    `calls` are the milliseconds of single calls by their number, as far as they are printed.
    """

    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    batch_size: int | None = None
    device: int | None = None
    calls: dict[int, float] = field(default_factory=dict, compare=False)

    @property
    def pure(self) -> bool:
        """Whether it was measured on random data."""
        return PURE in self.figures

    @property
    def chip_rate(self) -> float | None:
        """Images per second of the chip: the model alone, without reading and writing files."""
        interface = self.figures.get("infer", {}).get("Interface throughputRate")
        return self.figures.get(PURE, {}).get("ave_throughputRate") if interface is None else interface


def parse(text: str) -> list[Run]:
    """Return the performance summaries in a printout or in a file that the tool wrote, in their order."""
    runs: list[Run] = []
    calls: dict[int, float] = {}
    batch_size = device = None  # as the last command or file name before a summary says
    begins = True
    for line in lines(text):
        if (above := _ABOVE.search(line)) and runs:
            runs[-1].batch_size = size(above[1] or above[2])
            continue
        if call := _CALL.search(line):
            calls[int(call[1])] = number(call[2]) or 0.0
        begins = begins or "Performance Summary" in line
        batch_size = _last(_BATCH, line) or batch_size
        named = _last(_DEVICE, line)
        device = device if named is None else named
        for label, pairs in _figures(line):
            again = runs[-1].figures.get(label, {}).keys() & pairs.keys() if runs else ()
            if begins or again or (label == PURE) != runs[-1].pure:
                runs.append(Run(batch_size=batch_size, device=device, calls=calls if label == PURE else {}))
                begins, calls = False, {}
            runs[-1].figures.setdefault(label, {}).update(pairs)
    return runs


def _figures(line: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the labels in a line and their figures by key; what has no label counts only if the line begins with a key."""
    if "ave_throughputrate" in line.lower():
        yield PURE, _pairs(line)
    elif labels := [*_LABEL.finditer(line)]:  # several where line ends were lost
        ends = [*(label.start() for label in labels[1:]), len(line)]
        for label, end in zip(labels, ends, strict=True):
            name = label[1].lower()
            if pairs := _pairs(line[label.end() : end]):
                yield _LABELS.get(name, name), pairs
    elif _ALONE.match(line):
        yield "infer", _pairs(line)


def _pairs(text: str) -> dict[str, float]:
    found = [(_KEYS[match[1].lower()], number(match[2])) for match in _PAIR.finditer(text)]
    return {key: value for key, value in found if value is not None}


def _last(pattern: re.Pattern[str], line: str) -> int | None:
    """Return the number of a pattern's last match in a line."""
    found = pattern.findall(line)
    return int(found[-1]) if found else None
