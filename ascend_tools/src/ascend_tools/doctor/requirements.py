"""Whether what a requirements file asks for is installed in this Python, seen by its metadata: nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from common.files import read_text

# Packages that bring the same module, of which one is enough.
_SAME = {
    "opencv-python-headless": ("opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    "onnxruntime": (
        "onnxruntime-gpu",
        "onnxruntime-cann",
        "onnxruntime-openvino",
        "onnxruntime-directml",
        "onnxruntime-training",
    ),
    "pillow": ("pillow-simd",),
}
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(?P<ranges>[^;#]*)")
_RANGE = re.compile(r"(>=|<=|==|!=|~=|>|<)\s*([0-9]+(?:\.[0-9]+)*)")


def unmet(path: Path) -> list[str]:
    """Return what of a requirements file is not installed, or in another version: `onnxsim>=0.4.36: not installed`.

    A file that is not there asks for nothing.
    """
    try:
        lines = read_text(path).split("\n")
    except FileNotFoundError:
        return []
    return list(_unmet(lines))


def _unmet(lines: list[str]) -> Iterator[str]:
    for line in lines:
        text = line.partition("#")[0].strip()
        found = _LINE.match(text)
        if not found or text.startswith("-"):
            continue
        version = version_of(found["name"])
        if version is None:
            yield f"{text}: not installed"
        elif not all(_holds(version, sign, bound) for sign, bound in _RANGE.findall(found["ranges"])):
            yield f"{text}: {version} is installed"


def version_of(name: str) -> str | None:
    """Return the version of an installed distribution, or of one that brings the same module; None where there is none."""
    for each in (name, *_SAME.get(name, ())):
        try:
            if version := metadata.version(each):
                return version
        except (metadata.PackageNotFoundError, ValueError, OSError):  # none, or one that is damaged
            continue
    return None


def _holds(version: str, sign: str, bound: str) -> bool:
    """Tell whether a version keeps within a bound; what follows the numbers, as in 2.1.0+cpu, does not count."""
    have, limit = _numbers(version), _numbers(bound)
    size = max(len(have), len(limit))
    left, right = (have + (0,) * (size - len(have)), limit + (0,) * (size - len(limit)))
    if sign == "~=":
        return left >= right and have[: len(limit) - 1] == limit[:-1]
    return {
        ">=": left >= right,
        "<=": left <= right,
        "==": left == right,
        "!=": left != right,
        ">": left > right,
        "<": left < right,
    }[sign]


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
