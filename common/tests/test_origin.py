"""npu_files/origin.py: what is known of the figures of result directories."""

from __future__ import annotations

import json

import pytest

from common import rehearsal
from common.facts import read_facts
from common.npu_files.origin import results_origin
from common.report.provenance import of_data


@pytest.fixture
def origin(tmp_path, write_model):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").write_bytes(b"jpg")
    facts = read_facts(write_model())
    return lambda *results: results_origin(
        facts, tmp_path, results, [tmp_path / "data", None], tmp_path / "out"
    )


@pytest.fixture
def results(tmp_path):
    """Results that common.infer noted its run beside."""
    folder = tmp_path / "result" / "dumpOutput_device0"
    folder.mkdir(parents=True)
    run = {"model": "ab12", "backend": "onnxruntime", "precision": "float32", "sources": {}}
    (folder.parent / "infer.json").write_text(json.dumps(run))
    return folder


def test_what_infer_noted_is_known(origin, results, tmp_path):
    found = origin(results)
    assert (found.dataset, found.backend, found.precision) == ("NONE", "onnxruntime", "float32")
    assert (found.seconds, found.caveats) == ({}, ())
    assert found.provenance == {
        "git": None,
        "dataset": of_data([tmp_path / "data"], tmp_path / "out"),
        "results": [str(results)],
        "model": {"file": None, "sha256": "ab12"},
    }


@pytest.mark.parametrize("note", [None, "", "[]", "{}", "[" * 100_000])
def test_of_another_tools_results_the_network_is_not_known(origin, results, note):
    record = results.parent / "infer.json"
    record.unlink() if note is None else record.write_text(note)
    found = origin(results)
    assert (found.backend, found.precision) == (None, None)
    assert found.provenance.keys() == {"git", "dataset", "results"}


def test_results_of_a_rehearsal_are_its_own_in_whichever_directory(origin, results, tmp_path):
    (tmp_path / "other").mkdir()
    rehearsal.mark(tmp_path / "other")
    assert origin(results, tmp_path / "other").backend == f"om {rehearsal.SUFFIX}"


def test_without_results_the_data_set_is_known_and_a_missing_one_is_named(origin, tmp_path):
    found = origin(None)
    assert (found.backend, found.precision) == (None, None)
    assert found.provenance.keys() == {"git", "dataset"}
    assert found.provenance["dataset"]["files"] == 1
    (tmp_path / "data" / "a.jpg").unlink()
    (tmp_path / "data").rmdir()
    assert "No such file or directory" in origin(None).provenance["dataset"]["unreadable"]
