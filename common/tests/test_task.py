"""engine/task.py: where an item comes from, and that a task can be sent to another process."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

from common.engine.task import Task, file_of, particulars


@dataclass(frozen=True)
class Picture:
    path: Path
    width: int
    mirrored: bool = False
    data: bytes = b""


def test_a_source_is_a_file_or_has_one():
    assert file_of(Path("a.jpg")) == Path("a.jpg")
    assert file_of(Picture(Path("b.jpg"), 9)) == Path("b.jpg")


def test_what_a_source_is_beside_its_file_are_its_numbers_and_texts():
    first = Picture(Path("a.jpg"), 9, data=b"large")
    assert particulars(first) == particulars(Picture(Path("moved.jpg"), 9)) != ""
    for other in (Picture(Path("a.jpg"), 8), Picture(Path("a.jpg"), 9, mirrored=True)):
        assert particulars(other) != particulars(first)
    assert particulars(Path("a.jpg")) == ""


def test_a_task_of_functions_of_a_module_can_be_sent():
    task = Task(pickle.loads, pickle.dumps)
    assert pickle.loads(pickle.dumps(task)) == task
