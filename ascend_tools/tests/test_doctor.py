"""The doctor's frame: probes that fail in every way, lines, levels, JSON, saved tables, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ascend_tools.doctor import __main__ as doctor
from ascend_tools.doctor import probes, text, tiny
from ascend_tools.doctor.check import Check, Level, Registered, Status

# What --compare and whoever reads --json knows the lines by.
IDS = """
npu.smi npu.chips npu.health npu.card npu.in-use npu.numbers npu.devices
driver.library driver.version
cann.installed cann.environment cann.version
atc.program atc.library atc.memory atc.python atc.modules atc.numpy
inference.aclruntime inference.ais_bench inference.pyacl inference.session inference.tools
gpu.driver gpu.trtexec
cpu.model cpu.cores cpu.memory cpu.bf16 cpu.matrix
python.version python.packages
backend.om backend.onnxruntime backend.providers backend.torch backend.openvino
"""
FULL = """
tiny.onnxruntime tiny.onnxruntime-cuda tiny.onnxruntime-tensorrt tiny.onnxruntime-cann tiny.onnxruntime-other
tiny.atc tiny.om tiny.benchmark tiny.ais_infer tiny.ais_bench tiny.msame tiny.trtexec tiny.torch
tiny.openvino tiny.openvino-bfloat16 tiny.openvino-float16
"""
TABLE = """\
+-------------------------------------------------------------------------------------------+
| npu-smi 23.0.1                   Version: 23.0.1                                          |
+----------------------+---------------+----------------------------------------------------+
| NPU   Name           | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Device         | Bus-Id        | AICore(%)   Memory-Usage(MB)                       |
+======================+===============+====================================================+
| 5     310P3          | OK            | 18.3        47                0    / 0             |
| 0     0              | 0000:3B:00.0  | 0           1601 / 21527                           |
+======================+===============+====================================================+
"""
OK, MISSING, WRONG = Status.OK, Status.MISSING, Status.WRONG


def registered(probe, *ids, level=Level.QUICK, seconds=20.0, optional=()):
    return Registered(probe, {each: f"title of {each}" for each in ids}, level, seconds, frozenset(optional))


def ok(name, **details):
    return Check(name, f"title of {name}", OK, "there", details=details)


def test_ids_stay_the_same():
    found = [name for each in probes.MACHINE for name in each.titles]
    assert sorted(found) == sorted(IDS.split())
    assert sorted(tiny.TITLES) == sorted(FULL.split())


def test_a_line_that_is_not_ok_says_what_to_do():
    with pytest.raises(ValueError, match="npu.chips: missing without a remedy: none"):
        Check("npu.chips", "NPU chips", MISSING, "none")


def test_lines_and_the_last_word():
    wrong = Check(
        "npu.smi", "npu-smi", WRONG, "says\n  -8005", "Restart.\nOr join the group.", required=False
    )
    assert list(text.lines(ok("cpu.model"))) == ["  ok       title of cpu.model: there"]
    assert list(text.lines(wrong)) == [
        "  wrong    npu-smi (optional): says -8005",
        "           Restart.",
        "           Or join the group.",
    ]
    assert next(text.lines(wrong, colours=True)).startswith("  \x1b[31mwrong  \x1b[0m  npu-smi")
    assert text.verdict([ok("cpu.model"), wrong]) == "the way to the NPU is open"
    two = [
        Check("npu.chips", "NPU chips", MISSING, "none", "Look."),
        Check("cann.version", "CANN", WRONG, "odd", "?"),
    ]
    assert text.verdict(two) == "not open: 2 things are missing or wrong; first: NPU chips: none"
    assert text.verdict(two[1:]) == "not open: 1 thing is missing or wrong; first: CANN: odd"


@pytest.fixture
def little(monkeypatch):
    """The doctor with two probes, which need nothing of this machine."""
    found = {
        "npu.chips": ok(
            "npu.chips", chips=[{"npu": 0, "chip": 0, "device": 0, "soc": "Ascend310", "health": "OK"}]
        ),
        "cpu.model": ok("cpu.model"),
    }
    monkeypatch.setattr(
        probes, "MACHINE", tuple(registered(lambda name=name: [found[name]], name) for name in found)
    )
    return found


def test_json_is_one_object_and_nothing_else(little, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert doctor.main(["--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["format"] == 1
    assert record["open"] is True
    assert record["level"] == "default"
    assert record["chips"] == little["npu.chips"].details["chips"]
    assert [check["id"] for check in record["checks"]] == ["npu.chips", "cpu.model"]
    assert record["checks"][1].items() >= {"status": "ok", "remedy": "", "required": True}.items()
    assert record["models"] == []


def test_what_is_missing_is_the_exit_status(little, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    little["npu.chips"] = Check("npu.chips", "NPU chips", MISSING, "none", "Put one in.")
    assert doctor.main([]) == 1
    printed = capsys.readouterr().out
    assert printed.splitlines()[:3] == ["NPU", "  missing  NPU chips: none", "           Put one in."]
    assert printed.splitlines()[-1] == "not open: 1 thing is missing or wrong; first: NPU chips: none"
    little["npu.chips"] = Check("npu.chips", "NPU chips", MISSING, "none", "Put one in.", required=False)
    assert doctor.main(["--quick"]) == 0


def test_a_saved_table_is_read_and_this_machine_is_not_looked_at(tmp_path, capsys, nothing_on_path):
    (tmp_path / "smi.txt").write_text(TABLE)
    assert doctor.main(["--npu-smi", str(tmp_path / "smi.txt"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    (chip,) = record["chips"]
    assert chip.items() >= {"npu": 5, "chip": 0, "device": 0, "soc": "Ascend310P3", "health": "OK"}.items()
    assert {check["id"] for check in record["checks"]} <= {
        name for name in IDS.split() if name.startswith("npu.")
    }
    assert record["processes"] == []
    assert "npu.devices" not in {check["id"] for check in record["checks"]}
    assert record["models"] == []
    assert doctor.main(["--npu-smi", str(tmp_path / "smi.txt")]) == 0
    assert capsys.readouterr().out.endswith("the table shows chips that can be used\n")


def test_a_table_as_another_shell_saves_it(tmp_path, capsys):
    (tmp_path / "smi.txt").write_bytes(TABLE.replace("\n", "\r\n").encode("utf-16"))
    assert doctor.main(["--npu-smi", str(tmp_path / "smi.txt"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["chips"]) == 1


def test_a_file_that_shows_no_chips(tmp_path, capsys):
    (tmp_path / "none.txt").write_text("dcmi module initialize failed. ret is -8005\n")
    assert doctor.main(["--npu-smi", str(tmp_path / "none.txt"), "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert (record["open"], record["chips"]) == (False, [])
    assert doctor.main(["--npu-smi", str(tmp_path / "missing.txt")]) == 1
    assert "missing.txt: No such file or directory" in capsys.readouterr().err
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(1 << 30)
    assert doctor.main(["--npu-smi", str(tmp_path / "huge.txt")]) == 1
    assert "has more than 16 MB" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        doctor.main(["--npu-smi", "x", "--quick"])


def test_a_directory_that_is_no_models(tmp_path, capsys):
    assert doctor.main([str(tmp_path)]) == 1
    assert f"{tmp_path}: is no model directory" in capsys.readouterr().err


def spawn(*words, **options):
    command = [sys.executable, "-m", "ascend_tools.doctor", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def test_ctrl_c_ends_the_doctor_and_what_it_started(program, tmp_path):
    note = tmp_path / "pid"
    program(
        "npu-smi", f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    # Whoever starts the tests in the background has Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        doctor = spawn("--quick", cwd=tmp_path, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    end = time.monotonic() + 60
    while not (note.exists() and note.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    doctor.send_signal(signal.SIGINT)
    printed, _ = doctor.communicate(timeout=60)
    assert doctor.returncode == 130
    assert "Traceback" not in printed
    for _ in range(200):
        if not Path("/proc", note.read_text()).exists():
            return
        time.sleep(0.05)
    pytest.fail("npu-smi is still running")


def test_it_runs_where_packages_are_broken_and_nobody_listens(tmp_path, nothing_on_path):
    for name in ("onnx", "onnxruntime", "msgspec", "psutil", "torch", "cv2", "tqdm"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('broken')")
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "HOME": "/nonexistent",
    }
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.toml").write_text("name = \n")
    looking = spawn("--quick", cwd=tmp_path, env=environment)
    printed, _ = looking.communicate(timeout=120)
    assert looking.returncode == 1
    assert "Traceback" not in printed
    assert printed.splitlines()[-1].startswith("not open: ")
    looking = spawn("--quick", cwd=tmp_path, env=environment)
    looking.stdout.close()
    assert looking.wait(120) == 1
