"""cluster/worker.py: parts that are in hand at the same time share a worker's threads, and their seconds are those of work."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from common import threads
from common.backends.null import Null
from common.cluster.worker import Worker
from common.engine.task import Task
from common.graph.outline import Value


class Waiting(Worker):
    def network(self):
        inputs, outputs = [Value("image", "float32", ("N", 1))], [Value("result", "float32", ("N", 1))]
        return Null(inputs, outputs, [np.zeros(1, np.float32)], 0.0)


class Most:
    """How many calls there are at the same time."""

    def __init__(self):
        self.now, self.most, self.lock = 0, 0, threading.Lock()

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *exc):
        with self.lock:
            self.now -= 1


@pytest.mark.parametrize("count", [1, 2])
def test_parts_in_hand_have_the_threads_of_one(count, tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "_share", [])
    before, after = Most(), Most()

    def prepare(_):
        with before:
            time.sleep(0.002)
        return {"image": np.zeros(1, np.float32)}, None

    def finish(outputs, _):
        with after:
            time.sleep(0.002)
        return len(outputs)

    worker = Waiting(None, 4, None)
    worker.open()
    start = time.perf_counter()

    def part(name):
        sources = {f"{name}{number}": tmp_path for number in range(30)}
        return list(worker.part(Task(prepare, finish), sources, None, 4, count, False))

    with ThreadPoolExecutor(2) as pool:
        told = [each for done in pool.map(part, "ab") for each in done]
    spent = time.perf_counter() - start
    assert len({key for each in told for key, _ in each.results}) == 60
    assert (before.most, after.most) == (count, count)
    # Of so many threads no stage can have more seconds; waiting for the other part's would be added to them.
    for stage in ("preprocess", "postprocess"):
        assert 60 * 0.002 <= sum(each.seconds.get(stage, 0.0) for each in told) <= count * spent
    assert all(" " not in stage for each in told for stage in each.seconds)
