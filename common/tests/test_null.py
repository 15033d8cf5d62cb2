"""backends/null.py: a network that only waits."""

from __future__ import annotations

import time

import numpy as np
import pytest

from common.backends.base import run_batch
from common.backends.null import Null
from common.engine.stream import run
from common.engine.task import Task
from common.graph.outline import Value
from common.timing import Stopwatch

INPUTS = (Value("x", "float32", ("N", 4)),)
OUTPUTS = (Value("boxes", "float32", ("N", 2, 3)), Value("score", "float32", ("N",)))
CANNED = (np.arange(6, dtype=np.float32).reshape(2, 3), np.float32(0.5))


@pytest.mark.parametrize("count", [1, 3])
def test_every_item_gets_the_canned_outputs(count):
    with Null(INPUTS, OUTPUTS, CANNED, 0) as network:
        boxes, score = run_batch(network, {"x": np.zeros((count, 4), np.float32)})
    assert boxes.tolist() == [CANNED[0].tolist()] * count
    assert score.tolist() == [0.5] * count


@pytest.mark.parametrize("batch_size", [1, 4])
def test_it_goes_through_the_engine_and_waits_for_each_batch(batch_size):
    watch, network = Stopwatch(), Null(INPUTS, OUTPUTS, CANNED, 0.01)
    task = Task(lambda n: ({"x": np.zeros(4, np.float32)}, n), lambda outputs, n: (n, outputs[0].shape))
    sources = {str(n): n for n in range(8)}
    found = list(run(task, [network], sources, batch_size=batch_size, workers=1, watch=watch))
    assert found == [(str(n), (n, (2, 3))) for n in range(8)]
    assert watch.seconds["infer"] >= 0.01 * 8 / batch_size


def test_waiting_costs_no_processor():
    before = time.process_time()
    with Null(INPUTS, OUTPUTS, CANNED, 0.1) as network:
        network.run({"x": np.zeros((1, 4), np.float32)})
    assert time.process_time() - before < 0.05
