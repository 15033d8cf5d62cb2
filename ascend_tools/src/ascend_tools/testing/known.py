"""Record a model's known answers, see `common.compare.known`: after a change that is meant to change them.

    cd faceboxes && python -m ascend_tools.testing.known

writes known.json into the model's package. Compare it with the one before: what has changed is what was meant to.
"""

from __future__ import annotations

import importlib
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

from common.backends.null import Null
from common.backends.torch import Torch
from common.compare.known import PICTURES, Known
from common.engine.task import Outputs, Task
from common.facts import Facts, read_facts
from common.files import write_text
from common.graph.aipp_file import named_aipp
from common.graph.outline import Value


def record(folder: Path) -> Path:
    """Record the known answers of the model directory that one works in, and return the file."""
    package = next(path.parent.name for path in folder.glob("*/known.py"))
    known, task, sample = (
        importlib.import_module(f"{package}.{name}") for name in ("known", "task", "sample")
    )
    network = importlib.import_module("evaluate").load(None)
    answers: Known = known.KNOWN
    facts = read_facts(folder)
    with tempfile.TemporaryDirectory() as place:
        data = sample.write_sample(Path(place))
        sources = dict(itertools.islice(task.sources(data).items(), PICTURES))
        first = torch_outputs(task.TASK, facts, folder, network, next(iter(sources.values())))
        contents = answers.record(task.TASK, facts, sources, first)
    write_text(answers.path, in_lines(contents))
    return answers.path


def torch_outputs(
    task: Task[Any, Any, Any], facts: Facts, folder: Path, network: Any, source: Any
) -> Outputs:
    """Return the outputs of the network for one source, AIPP included, without the batch."""
    values = ([Value(t.name, t.dtype, t.shape) for t in tensors] for tensors in (facts.inputs, facts.outputs))
    form = Null(*values, canned=(), seconds=0)  # whose inputs the network takes
    inputs, _ = task.prepare(source)
    with Torch(network, form, named_aipp(facts, folder)) as torch:
        outputs = torch.run({name: array[None] for name, array in inputs.items()})
    return [output[0] for output in outputs]


def in_lines(contents: dict[str, dict[str, object]]) -> str:
    """Return known.json: a line for each array, so that a difference shows which have changed."""
    parts = []
    for part, values in contents.items():
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
        parts.append(f"  {json.dumps(part)}: {{\n{lines}\n  }}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    print(record(Path.cwd()))
