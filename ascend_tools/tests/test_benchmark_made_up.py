"""The made-up inputs of benchmarks/ are what the models' tasks take: a figure measured with others would mean nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# In a process of its own: the models' directories have modules of the same names.
CHECK = """
import sys
from pathlib import Path
import numpy as np
from inputs import load

model = load(sys.argv[1])
sources = model.pictures(Path(sys.argv[2]), 4)
assert len(sources) == 4
results = []
for seed, source in enumerate(sources.values()):
    inputs, context = model.TASK.prepare(source)
    first = next(iter(inputs.values()))
    assert first.dtype == model.bare(source).dtype
    np.testing.assert_allclose(first, model.bare(source), atol=2e-5)
    outputs = model.outputs(seed)
    assert [o.shape for o in outputs] == [t.image_shape for t in model.FACTS.outputs]
    assert {o.dtype for o in outputs} == {np.dtype("float32")}
    results.append(model.TASK.finish(outputs, context))
assert all(len(result) for result in results)
assert len(np.unique([result.tobytes() for result in results])) == 4
# The fastest of the guide's figures, and an original for every step of the file route.
assert model.FASTEST.rate == max(rate for rates in model.FACTS.throughput.cards.values() for rate in rates.values())
assert model.ORIGINAL.total > 0 and model.ORIGINAL.words.keys() == model.ORIGINAL.milliseconds.keys()
"""


@pytest.mark.parametrize("model", ["faceboxes", "efficientdet_d0", "lresnet100e_ir", "rfcn", "pcb"])
def test_made_up_inputs_are_what_the_task_takes(model, tmp_path):
    command = [sys.executable, "-c", CHECK, model, str(tmp_path)]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
