"""engine/unreadable.py: one picture that cannot be read ends neither its batch nor the run."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from common.engine.task import Task
from common.engine.unreadable import Marking, Unreadable
from common.errors import GuideError
from tests.conftest import of_number, streamed


def prepare(number):
    if number == 2:
        raise GuideError("2: no such picture.")
    if number == 5:
        raise PermissionError(13, "Permission denied", "5")
    if number == 40:
        raise OSError(5, "Input/output error", "40")
    return of_number(number)


def finish(outputs, context):
    return float(outputs[1]), context


MARKING = Marking(Task(prepare, finish), {"image": np.ones(3, np.float32)})


def test_the_reason_takes_the_place_of_the_result(doubling):
    task = Task(MARKING.prepare, MARKING.finish)
    found = dict(streamed([doubling()], task, batch_size=4, count=8))
    assert found.pop("name 2") == "2: no such picture."
    reason = found.pop("name 5")
    assert isinstance(reason, Unreadable)
    assert reason == "5: Permission denied; change its permissions, or choose another name."
    assert found == {f"name {n}": (3.0 * n, n) for n in (0, 1, 3, 4, 6, 7)}


def test_a_failing_disk_is_no_unreadable_picture(doubling):
    with pytest.raises(OSError, match="Input/output error"):
        list(streamed([doubling()], Task(MARKING.prepare, MARKING.finish)))


def test_it_can_be_sent_to_another_process():
    sent = pickle.loads(pickle.dumps(Task(MARKING.prepare, MARKING.finish)))
    assert sent.prepare(2)[1] == "2: no such picture."
    assert sent.finish([None, 3], ("context",)) == (3.0, "context")
