"""evaluation.py: where its figures come from, told without hashing anything twice or waiting for a tool that hangs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from common import evaluation, files, rehearsal
from common.backends import chips as npu_chips
from common.facts import read_facts
from common.graph.outline import Value
from common.report import provenance
from tests.smi_tables import ONE
from tests.test_evaluation import arguments, facts, take

__all__ = ["facts", "take"]
DIGEST = "ab" * 32


@dataclass
class Deployed:
    """What is known of a network that was open."""

    name: str = "onnxruntime"
    precision: str = "float32"
    identity: str = f"{DIGEST} None"
    inputs: tuple[Value, ...] = (Value("image", "float32", ("N", 3, 4, 4)),)


@pytest.fixture
def origin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").write_bytes(b"jpg")
    subject = evaluation.Subject(
        Path("m.onnx"), None, "NONE", ("a part",), "w.pth", {"file": "w.pth", "sha256": "00"}
    )

    def of(deployed, *words, more=()):
        options = arguments(*words)
        return evaluation.origin(subject, deployed, options, tmp_path, *more)

    return of


def test_what_is_known_is_told_and_the_networks_hash_is_the_backends(origin, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "hash_once", None)  # nothing is left to hash
    found = origin(Deployed(), "--data", "data")
    assert (found.dataset, found.backend, found.precision) == ("NONE", "onnxruntime", "float32")
    assert (found.caveats, found.weights, found.seconds) == (("a part",), "w.pth", {})
    assert found.batch_size == 1
    assert origin(Deployed(), "--data", "data", "--batch-size", "4").batch_size == 4
    assert found.provenance == {
        "git": None,
        "dataset": provenance.of_data([Path("data")], Path("output")),
        "checkpoint": {"file": "w.pth", "sha256": "00"},
        "model": {"file": "m.onnx", "sha256": DIGEST},
        "chips": [],
    }
    (tmp_path / "labels").mkdir()
    places = origin(Deployed(), "--data", "data", more=[Path("labels"), None]).provenance["dataset"]["places"]
    assert places == ["data", "labels"]


def test_without_data_the_sample_pictures_are_the_data_set(origin, tmp_path):
    (tmp_path / "output" / "sample").mkdir(parents=True)
    (tmp_path / "output" / "sample" / "b.jpg").touch()
    dataset = origin(Deployed()).provenance["dataset"]
    assert (dataset["places"], dataset["files"]) == (["output/sample"], 1)


@pytest.mark.parametrize(
    ("name", "chips"),
    [
        ("om by acl", ["Ascend310P3"]),
        ("onnxruntime CANNExecutionProvider", ["Ascend310P3"]),
        ("onnxruntime", []),
        ("openvino", []),
        (f"om by acl {rehearsal.SUFFIX}", []),
    ],
)
def test_the_chips_are_told_where_one_of_them_computed(origin, npu_smi, name, chips):
    npu_smi(ONE)
    assert origin(Deployed(name), "--data", "data").provenance["chips"] == chips


@pytest.mark.parametrize(
    "source", ["import time; time.sleep(60)", "raise SystemExit(1)", "print('dcmi module initialize failed')"]
)
def test_a_tool_for_chips_that_hangs_or_fails_ends_nothing(origin, program, monkeypatch, source):
    program("npu-smi", source)
    monkeypatch.setattr(npu_chips, "SECONDS", 0.2 if "sleep" in source else 30)
    assert origin(Deployed("om by acl"), "--data", "data").provenance["chips"] == []


def test_a_checkpoint_is_hashed_once_for_its_pin_and_for_provenance(take, monkeypatch):
    Path("own.pth").write_bytes(b"weights")
    digest, hashed, file_hash = hashlib.sha256(b"weights").hexdigest(), [], files.file_hash
    monkeypatch.setattr(files, "file_hash", lambda *words: hashed.append(words) or file_hash(*words))
    found, _ = take("--checkpoint", "own.pth", "--sha256", digest)
    assert found.checkpoint == {"file": "own.pth", "sha256": digest}
    assert len(hashed) == 1


def test_seeded_weights_are_of_no_checkpoint(take, write_model):
    found, _ = take("--data", "d", facts=read_facts(write_model(('sha256 = "00"', ""))))
    assert (found.checkpoint, found.seeded) == (None, True)
