"""What the vendor's `benchmark` prints of its performance, on a run over files and in pure inference.

Forms seen in public guides: labels differ ([infer], [inference]), a comma may be missing, a line may stand alone, and
pure inference writes "=" into its file where it prints ":". So all is read by label and key, nothing by position.
"""

from __future__ import annotations

import re
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
PURE = "pure_infer"


@dataclass
class Run:
    """One performance summary: figures by label and key; those of pure inference have the label "pure_infer"."""

    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    batch_size: int | None = None
    device: int | None = None

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
    batch_size = device = None  # as the last command or file name before a summary says
    begins = True
    for line in lines(text):
        if (above := _ABOVE.search(line)) and runs:
            runs[-1].batch_size = size(above[1] or above[2])
            continue
        begins = begins or "Performance Summary" in line
        batch_size = _last(_BATCH, line) or batch_size
        named = _last(_DEVICE, line)
        device = device if named is None else named
        label, pairs = _figures(line)
        if not pairs:
            continue
        if (
            begins
            or (label == PURE) != runs[-1].pure
            or runs[-1].figures.get(label, {}).keys() & pairs.keys()
        ):
            runs.append(Run(batch_size=batch_size, device=device))
            begins = False
        runs[-1].figures.setdefault(label, {}).update(pairs)
    return runs


def _figures(line: str) -> tuple[str, dict[str, float]]:
    """Return the label of a line and its figures by key; a line without a label counts only if it begins with a key."""
    found = [(_KEYS[match[1].lower()], number(match[2])) for match in _PAIR.finditer(line)]
    pairs = {key: value for key, value in found if value is not None}
    if "ave_throughputRate" in pairs:
        return PURE, pairs
    named = _LABEL.search(line)
    if named:
        label = named[1].lower()
        return _LABELS.get(label, label), pairs
    return ("infer", pairs) if _ALONE.match(line) else ("", {})


def _last(pattern: re.Pattern[str], line: str) -> int | None:
    """Return the number of a pattern's last match in a line."""
    found = pattern.findall(line)
    return int(found[-1]) if found else None
