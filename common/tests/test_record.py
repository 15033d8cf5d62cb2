"""report/record.py: what made stored detections is said again, and what a killed run left is not scored."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest

from common.errors import GuideError
from common.report.figures import Origin
from common.report.record import recalled, recorded

MADE = Origin("sample pictures", "onnxruntime", "float16", {}, ("sample pictures", "seeded weights"))
UNKNOWN = Origin("FDDB", None, None, {"total": 1.0})
SAME = Origin("sample pictures", "onnxruntime", "float16", {"total": 1.0}, MADE.caveats)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("a.txt", "b.txt")]
    with recorded(paths, MADE, 7):
        for path in paths:
            path.write_text(path.stem)
    return paths


def test_the_origin_of_files_is_said_again(files):
    assert recalled(files, UNKNOWN, 7) == SAME
    other = recalled(files, UNKNOWN, 9)
    assert other.caveats == (*MADE.caveats, "detections in 7 of 9 pictures")


def test_what_made_the_files_is_said_again_beside_what_is_known_now(tmp_path):
    known = {"model": {"file": "a.onnx", "sha256": "00"}, "git": "old", "chips": []}
    made = replace(MADE, provenance=known, batch_size=4)
    path = tmp_path / "a.txt"
    with recorded([path], made, 7):
        path.write_text("a")
    now = replace(UNKNOWN, provenance={"git": "new", "dataset": {"files": 7}})
    again = recalled([path], now, 7)
    assert (again.provenance, again.batch_size) == ({**known, **now.provenance}, 4)
    record = json.loads((tmp_path / "origin.json").read_text())
    del record["provenance"], record["batch_size"]  # as earlier versions wrote it
    (tmp_path / "origin.json").write_text(json.dumps(record))
    assert recalled([path], now, 7) == replace(SAME, provenance=now.provenance)


def test_files_that_have_no_record_or_another_are_of_unknown_origin(files, tmp_path, capsys):
    assert recalled([tmp_path / "elsewhere" / "a.txt"], UNKNOWN, 7) == UNKNOWN
    assert capsys.readouterr().out == ""
    files[1].write_text("another")
    assert recalled(files, UNKNOWN, 7) == UNKNOWN
    assert "the detections are not those that" in capsys.readouterr().out
    files[1].unlink()
    assert recalled(files, UNKNOWN, 7) == UNKNOWN  # that it is missing is told by who reads it


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000, '{"files": 3}', "\0", "{}\xff"])
def test_a_record_that_is_none_is_noted(content, files, tmp_path, capsys):
    (tmp_path / "origin.json").write_bytes(content.encode("latin-1"))
    assert recalled(files, UNKNOWN, 7) == UNKNOWN
    assert "origin.json cannot be read; what made the detections is not known" in capsys.readouterr().out


def test_what_a_killed_run_left_is_refused_until_it_runs_again(files, tmp_path):
    with contextlib.suppress(KeyboardInterrupt), recorded(files, MADE, 7):
        files[0].write_text("of the second run")
        raise KeyboardInterrupt
    with pytest.raises(GuideError, match=f"{tmp_path}: the run that wrote the detections was interrupted"):
        recalled(files, UNKNOWN, 7)
    assert json.loads((tmp_path / "origin.json").read_text())["files"] == {}
    with recorded(files, MADE, 7):
        files[1].write_text("of the third run")
    assert recalled(files, UNKNOWN, 7) == SAME
