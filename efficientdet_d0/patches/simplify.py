"""Simplify the exported graph, as the guide does with `python -m onnxsim`.

Why: what remains of arithmetic on shapes is folded into constants, which leaves some 700 nodes. One step of newer
versions is left out, the one that joins padding and pooling: that is `infinite_padding.py`'s, which says what it does.
onnxslim 0.1.98 is no substitute: it moved the padding of torch 1.8's graph to the wrong sides.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from common.errors import GuideError
from common.graph.outline import load

_SKIPPED = ["fuse_pad_into_pool"]


def simplify(source: Path, target: Path) -> tuple[int, int]:
    """Write the simplified form of `source` to `target`; return the numbers of nodes before and after."""
    import onnxsim

    before = load(source)
    after, valid = onnxsim.simplify(before, skipped_optimizers=_SKIPPED)
    if not valid:
        raise GuideError(f"{source}: onnxsim itself says that its simplified graph computes something else.")
    onnx.save(after, target)
    return len(before.graph.node), len(after.graph.node)
