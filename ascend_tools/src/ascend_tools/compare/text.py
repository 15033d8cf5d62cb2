"""What is printed of a comparison: tables, and the sentences that say what their figures mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ascend_tools.compare.differences import Figures
from ascend_tools.compare.nodes import Apart
from common.cli import counted

MEASURE = (
    "A node adds its own error, its output beside what float32 makes of the very inputs that it had there, and what it "
    "makes of differences in its inputs, where that is more than twice as much; each as a root mean square over all values, "
    "divided by that of the tensor itself, its own error by that of what float32 makes there where that is larger."
)
_WIDEST = 60  # characters of a name


def number(value: float | None) -> str:
    """Return a figure with three digits."""
    return "-" if value is None else f"{value:.3g}"


def table(rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """Return lines with columns below each other, those in `left` from the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def outputs(found: Mapping[str, Figures]) -> list[str]:
    """Return the table of the outputs."""
    rows: list[tuple[str, ...]] = [
        (
            "output",
            "values",
            "spread",
            "largest",
            "mean",
            "largest/spread",
            "mean/spread",
            "cosine",
            "left the range",
        )
    ]
    for name, each in found.items():
        if each.shapes:
            ours, theirs = each.shapes
            rows.append((shortened(name), *["-"] * 7, f"shape {ours}, in float32 {theirs}"))
            continue
        largest, mean = each.relative(each.largest), each.relative(each.mean)
        cosine = "-" if each.cosine is None else f"{each.cosine:.6f}"
        rows.append(
            (
                shortened(name),
                str(each.elements),
                *map(number, (each.scale, each.largest, each.mean, largest, mean)),
                cosine,
                left_range(each.infinite, each.nan, each.saturated) or "-",
            )
        )
    return table(rows, (0, 8))


def left_range(infinite: int, nan: int, saturated: int) -> str:
    """Return how many values left the range, and how, in words; nothing where none did."""
    counts = {"infinite": infinite, "NaN": nan, "at 65504": saturated}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def shortened(name: str) -> str:
    """Return a name, its middle left out where it is long."""
    half = (_WIDEST - 3) // 2
    return name if len(name) <= _WIDEST else f"{name[:half]}...{name[-half:]}"


def nodes(found: Sequence[Apart], most: int) -> list[str]:
    """Return a table of nodes, at most so many, and how many there are more."""
    rows: list[tuple[str, ...]] = [
        ("node", "operator", "place", "at its output", "at its inputs", "own error", "adds", "remark")
    ]
    rows += [
        (
            shortened(each.node),
            each.op_type,
            str(each.index),
            *map(number, (each.apart, each.before, each.own, each.adds)),
            _remark(each),
        )
        for each in found[:most]
    ]
    rest = len(found) - most
    return table(rows, (0, 1, 7)) + ([f"... and {rest} more"] if rest > 0 else [])


def _remark(each: Apart) -> str:
    told = [left_range(each.infinite, each.nan, each.saturated)] + ["takes other indices"] * each.selects
    return ", ".join(filter(None, told)) or "-"


def verdict(found: Sequence[Apart], first: Sequence[Apart], added: Sequence[Apart]) -> str:
    """Return in a sentence how many nodes part and add."""
    if first or added:
        return f"{counted(len(found), 'node')}: both sides part at {len(first)}, and {len(added)} add more than that"
    if not found:
        return "no node makes a float of what the input holds"
    most = max(found, key=lambda each: each.apart)
    return (
        f"{counted(len(found), 'node')}: none is off, or adds, more than that; the furthest off is "
        f"{shortened(most.node)}, by {number(most.apart)}"
    )
