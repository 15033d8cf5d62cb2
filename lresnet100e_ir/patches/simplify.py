"""Simplify the exported graph, as the guide does with `python -m onnxsim`, and compare it before and after.

Why: nodes that hand on what others computed, and constants in disguise, go; today's torch leaves few. The two files are compared with the graph optimisations off, which would turn
both into the same graph, and each output is held to its tolerance in model.toml.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from common.backends.base import fixed_batch, run_batch
from common.backends.deployed import open_model
from common.compare.differences import check_differences, differences, print_differences
from common.errors import GuideError
from common.export.onnx_file import random_inputs
from common.facts import Facts
from common.files import staged
from common.graph.outline import load

# Newer versions write the last two nodes as LpNormalization; ReduceL2 and Div are what the guide's ATC has converted.
_SKIPPED = ["fuse_lp_normalization"]


def simplify(source: Path, target: Path, model: Facts) -> None:
    """Write the simplified form of `source`; nothing is left at `target` unless it computes the same."""
    import onnxsim

    target.unlink(missing_ok=True)  # of an earlier export
    before = load(source)
    after, valid = onnxsim.simplify(before, skipped_optimizers=_SKIPPED)
    if not valid:
        raise GuideError(f"{source}: onnxsim itself says that its simplified graph computes something else.")
    with staged(target) as temporary:
        onnx.save(after, temporary)
        compare(source, temporary, model)
    print(f"{target}: {len(after.graph.node)} nodes, before {len(before.graph.node)}")


def compare(source: Path, target: Path, model: Facts) -> None:
    """Run two ONNX files on the same random inputs, print the largest differences, refuse large ones."""
    outputs = []
    for path in (source, target):
        deployed = open_model(path, optimise=False)
        outputs.append(run_batch(deployed, random_inputs(model, fixed_batch(deployed) or 3)))
        deployed.close()
    largest = differences(*outputs).tolist()
    print("compared before and after simplification:")
    print_differences(model, largest)
    check_differences(model, largest, "The simplified file is not kept.", other="the graph before")
