"""Simplify the exported graph, as the guide does with `python -m onnxsim`, and compare it before and after.

Why: nodes that hand on what others computed, and constants in disguise, go; today's torch leaves few. The two files are
compared with the graph optimisations off, which would turn both into the same graph, and each output is held to its
tolerance in model.toml.
"""

from __future__ import annotations

from pathlib import Path

from common.backends.base import fixed_batch, run_batch
from common.backends.deployed import open_model
from common.cli import announce
from common.compare.differences import check_differences, largest_differences, print_differences
from common.export.onnx_file import random_inputs
from common.facts import Facts
from common.files import staged
from common.graph.simplify import simplify as simplify_graph

# Newer versions write the last two nodes as LpNormalization; ReduceL2 and Div are what the guide's ATC has converted.
_SKIPPED = ("fuse_lp_normalization",)


def simplify(source: Path, target: Path, facts: Facts) -> None:
    """Write the simplified form of `source`; nothing is left at `target` unless it computes the same."""
    target.unlink(missing_ok=True)  # of an earlier export
    with staged(target) as temporary:
        before, after = simplify_graph(source, temporary, _SKIPPED)
        compare(source, temporary, facts)
    print(f"{target}: {after} nodes, before {before}")


def compare(source: Path, target: Path, facts: Facts) -> None:
    """Run two ONNX files on the same random inputs, print the largest differences, refuse large ones."""
    announce("comparing it with the graph before")
    name, outputs = facts.inputs[0].name, []
    for path in (source, target):
        with open_model(path, optimise=False) as deployed:
            outputs.append(run_batch(deployed, {name: random_inputs(facts, fixed_batch(deployed) or 3)}))
    largest = largest_differences(*outputs).tolist()
    print("compared before and after simplification:")
    print_differences(facts, largest)
    check_differences(facts, largest, "The simplified file is not kept.", other="the graph before")
