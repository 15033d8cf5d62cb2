"""The doctor's matrix: what each way of a model needs, from real files, and the command that makes it ready."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_tools import at_hand
from ascend_tools.doctor import matrix, requirements, steps, text
from ascend_tools.doctor.check import Check, Level, Status
from common.errors import GuideError
from common.facts import read_facts

CHIPS = [{"npu": 0, "chip": 0, "device": 0, "soc": "Ascend310P3", "health": "OK"}]
MACHINE = {
    "npu.chips": Check("npu.chips", "NPU chips", Status.OK, "1", details={"chips": CHIPS}),
    "cann.environment": Check("cann.environment", "CANN's settings", Status.OK, "sourced"),
    "atc.library": Check("atc.library", "Libraries of ATC", Status.OK, "it starts"),
    "inference.session": Check("inference.session", "What runs an OM file", Status.OK, "ais_bench"),
    "backend.onnxruntime": Check(
        "backend.onnxruntime",
        "ONNX Runtime",
        Status.OK,
        "1.20",
        details={"providers": ["CPUExecutionProvider"]},
    ),
}


def missing(name, remedy, *, required=True, **details):
    return {name: Check(name, f"title of {name}", Status.MISSING, "not there", remedy, required, details)}


@pytest.fixture
def model(write_model, make_onnx, monkeypatch):
    """A model directory with the tiny network, without its ONNX file, which `make_onnx` writes; one stands above it."""
    folder = write_model()
    monkeypatch.chdir(folder.parent)
    return Path(folder.name)


def cells(folder, level=Level.DEFAULT, **changed):
    machine = {**MACHINE, **{name.replace("_", "."): check for name, check in changed.items()}}
    (row,) = matrix.rows([folder], machine.values(), level)
    return row.ways


def test_without_files_each_way_says_what_makes_them(model):
    found = cells(model)
    python = steps.python()
    assert found["onnxruntime"].next == f"(cd {model} && {python} evaluate.py)"
    assert found["atc"].next == found["onnxruntime"].next
    convert = f"{python} -m common.atc --model output/tiny.onnx"
    assert found["om"].next == f"(cd {model} && {python} evaluate.py && {convert})"
    assert found["export"].next.endswith("pth2onnx.py)") or "Put the checkpoint at" in found["export"].next
    assert {found[way].status for way in ("onnxruntime", "atc", "om", "export")} == {Status.MISSING}
    assert not found["trtexec"].here
    assert not found["cuda"].here
    assert "NVIDIA GPU" in found["cuda"].next


def test_with_the_onnx_file_two_ways_are_ready_and_one_is_a_command_away(model, make_onnx):
    make_onnx()
    found = cells(model)
    assert found["onnxruntime"].as_json() == {"status": "ready", "next": ""}
    assert found["atc"].as_json() == {"status": "ready", "next": ""}
    assert found["om"].as_json() == {
        "status": "missing",
        "next": f"(cd {model} && {steps.python()} -m common.atc)",
    }


def test_where_one_stands_in_it_the_commands_are_short(model, make_onnx, monkeypatch):
    make_onnx()
    monkeypatch.chdir(model)
    assert cells(Path())["om"].next == f"{steps.python()} -m common.atc"
    assert matrix.folders([]) == [Path()]


@pytest.mark.parametrize("content", [b"", b"not an ONNX file", b"\x08\x07" * 40])
def test_a_damaged_onnx_file_is_wrong_and_removed_by_the_command(model, content):
    (model / "tiny.onnx").write_bytes(content)
    cell = cells(model)["onnxruntime"]
    assert cell.status is Status.WRONG
    assert cell.next == f"(cd {model} && rm tiny.onnx && {steps.python()} evaluate.py)"
    assert cells(model, Level.QUICK)["onnxruntime"].next == ""  # which reads no files


def test_another_network_under_the_models_name_is_wrong(model, make_onnx):
    make_onnx(channels=4)
    assert cells(model)["onnxruntime"].status is Status.WRONG


def test_what_the_machine_lacks_comes_first_and_a_sentence_stands_alone(model, make_onnx):
    make_onnx()
    source = missing("cann.environment", "source x/set_env.sh", command="source x/set_env.sh")
    library = missing("atc.library", "Install CANN first.")
    found = matrix.rows([model], {**MACHINE, **library, **source}.values(), Level.DEFAULT)[0].ways
    assert found["atc"].next == "source x/set_env.sh"
    assert found["om"].next == f"source x/set_env.sh && (cd {model} && {steps.python()} -m common.atc)"
    found = matrix.rows([model], {**MACHINE, **library}.values(), Level.DEFAULT)[0].ways
    assert found["atc"].next == "title of atc.library: Install CANN first."
    optional = missing("atc.memory", "Add memory.", required=False)
    assert matrix.rows([model], {**MACHINE, **optional}.values(), Level.DEFAULT)[0].ways["atc"].next == ""


def test_packages_that_are_missing_are_installed_first(model):
    (model / "requirements.txt").write_text("numpy>=1\nno-such-package-at-all>=2  # why\n")
    (model / "requirements-export.txt").write_text("numpy>=999\n")
    found = cells(model)
    pip = f"{steps.python()} -m pip install -r {model}/requirements.txt"
    assert found["onnxruntime"].next.startswith(f"{pip} && ")
    assert found["export"].next.startswith(
        f"{steps.python()} -m pip install -r {model}/requirements-export.txt"
    )


def test_openvino_is_ready_or_one_command_away(model, make_onnx):
    make_onnx()
    (model / "requirements-openvino.txt").write_text("no-such-package-at-all==2\n")
    pip = f"{steps.python()} -m pip install"
    away = missing("backend.openvino", f"{pip} openvino", command=f"{pip} openvino")
    found = cells(model, backend_openvino=away["backend.openvino"])
    assert found["openvino"].next == f"{pip} -r {model}/requirements-openvino.txt"
    assert found["onnxruntime"].next == ""
    (model / "requirements-openvino.txt").write_text("numpy>=1\n")
    assert cells(model, backend_openvino=away["backend.openvino"])["openvino"].next == f"{pip} openvino"
    assert cells(model)["openvino"].next == ""


def test_onnx_runtimes_own_openvino_is_another_column(model, make_onnx):
    make_onnx()
    providers = ["CPUExecutionProvider", "OpenVINOExecutionProvider"]
    runtime = Check("backend.onnxruntime", "", Status.OK, "1", details={"providers": providers})
    found = cells(model, backend_onnxruntime=runtime)
    assert found["onnxruntime-openvino"].next == found["openvino"].next == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("numpy>=1.24", []),
        ("# numpy>=999", []),
        ("-r other.txt", []),
        ("numpy>=1.24,<1.25", "numpy>=1.24,<1.25: "),
        ("numpy==999.*", "numpy==999.*: "),
        ("numpy[x] >= 1 ; python_version > '3'", []),
        ("no-such-package-at-all", "no-such-package-at-all: not installed"),
    ],
)
def test_requirements(tmp_path, line, says):
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    found = requirements.unmet(tmp_path / "requirements.txt")
    assert found == says or found[0].startswith(says)
    assert requirements.unmet(tmp_path / "none.txt") == []


@pytest.mark.parametrize(
    ("version", "sign", "bound", "holds"),
    [
        ("2.1.0+cpu", ">=", "2.1", True),
        ("2.1", "==", "2.1.0", True),
        ("4.13.0.90", "<", "4.13", False),
        ("4.12.9", "<", "4.13", True),
        ("1.10", ">", "1.9", True),
        ("1.5.2", "~=", "1.4", True),
        ("2.0", "~=", "1.4", False),
        ("2.0rc1", "!=", "2.0", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version, sign, bound, holds):
    assert requirements._holds(version, sign, bound) is holds  # noqa: SLF001


def test_a_damaged_model_toml_is_a_row_that_says_so(model, make_onnx):
    (model / "model.toml").write_text("name = ")
    (row,) = matrix.rows([model], MACHINE.values(), Level.DEFAULT)
    assert row.model == model.name
    assert {cell.status for cell in row.ways.values()} == {Status.WRONG}
    assert "model.toml: not valid TOML" in row.ways["om"].next
    (numbered,) = [line for line in text.table([row]) if line.startswith(row.model)]
    assert set(numbered.split()[1:]) == {"1"}


def test_the_table_numbers_each_command_once(model, make_onnx):
    make_onnx()
    rows = matrix.rows([model], MACHINE.values(), Level.DEFAULT)
    lines = list(text.table(rows))
    assert lines[0].split() == ["Models", "export", "onnxruntime", "openvino", "atc", "om", "torch"]
    assert lines[1].split()[2:4] == ["ready", "ready"]
    assert any(line.endswith("-m common.atc)") for line in lines)


def test_directories_that_are_named_are_models(model, tmp_path):
    (tmp_path / "empty").mkdir()
    assert matrix.folders([model]) == [model]
    with pytest.raises(GuideError, match="is no model directory"):
        matrix.folders([tmp_path / "empty"])


def test_om_files_are_found_by_the_name_in_model_toml(model):
    facts = read_facts(model)
    (model / "output").mkdir()
    names = [
        "tiny_bs4.om",
        "tiny_bs16_linux_x86_64.om",
        "output/tiny_bs1.om",
        "tiny_bs2_aoe.om",
        "tiny_bsdynamic.om",
    ]
    for name in (*names, "tiny_bs.om", "tiny_bs1.om.json", "other_bs1.om", "tiny_bs01.om"):
        (model / name).touch()
    found = at_hand.om_files(facts, model)
    assert [size for size, _ in found] == [None, 1, 2, 4, 16]
    assert {str(path.relative_to(model)) for _, path in found} == set(names)


def test_in_a_rehearsal_the_command_makes_the_om_ready(model, make_onnx, sourced):
    make_onnx()
    cell = cells(model)["om"]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["/bin/sh", "-c", cell.next],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert cells(model)["om"].next == ""
    record = model / "tiny_bs1.om.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "soc_version": "Ascend910B3"}))
    other = cells(model)["om"]
    assert (other.status, other.next) == (Status.WRONG, cell.next)
