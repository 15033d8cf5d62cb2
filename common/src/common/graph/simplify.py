"""Simplifying an exported graph, as the guides do with `python -m onnxsim`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from common.cli import announce
from common.errors import GuideError
from common.graph.outline import load


def simplify(source: Path, target: Path, skipped: Sequence[str] = ()) -> tuple[int, int]:
    """Write the simplified form of `source` to `target`; return the numbers of nodes before and after.

    `skipped` names optimisations of onnxsim that are left out. Compare the two files before the second is believed.
    """
    import onnxsim

    announce("simplifying the graph")
    before = load(source)
    try:
        after, valid = onnxsim.simplify(before, skipped_optimizers=list(skipped))
    except Exception as error:  # noqa: BLE001  onnxsim hands on those of its parts, which share no base class
        raise GuideError(f"{source}: onnxsim cannot simplify this graph: {error}") from None
    if not valid:
        raise GuideError(f"{source}: onnxsim itself says that its simplified graph computes something else.")
    onnx.save(after, target)
    return len(before.graph.node), len(after.graph.node)
