"""What users fail at in running a model on an NPU: each cause is made by the rehearsal's stand-ins, and told."""

from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ascend_tools.rehearse import layout, settings
from ascend_tools.testing.commands import call

CHIP = "Ascend310P3"
REBOOT = "after an upgrade of the driver, reboot"


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    return functools.partial(call, tmp_path, capsys=capsys, monkeypatch=monkeypatch)


@pytest.fixture
def here(sourced, write_model, make_onnx, make_inputs, run, tmp_path):
    """A model directory with tiny_bs2.om and five inputs; called with names of faults, it asks for them."""
    write_model(('insert_op_conf = "aipp.config"\n', ""))
    make_onnx()
    make_inputs(5)
    assert run("common.atc", "--batch-size", 2, "--soc-version", CHIP).returncode == 0
    return sourced


@pytest.fixture
def infer(run, rehearsal_folder, monkeypatch):
    """Run the OM on the inputs, by the library or by one of the tools; return how it ended."""
    monkeypatch.syspath_prepend(rehearsal_folder / "python")

    def ask(*words, model="tiny_bs2.om", given="prep"):
        return run("common.infer", "--model", model, "--input", given, "--out", "results", *words)

    return ask


def told(done):
    """Return the one message of a command that has failed."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    (message,) = done.stderr.split("error: ")[1:]
    return message


# 9. The device cannot be used.


@pytest.mark.parametrize(
    ("fault", "tool"),
    [
        ("device-taken", ()),
        ("device-taken", ("--tool", "benchmark")),
        ("no-devices", ("--tool", "ais_bench")),
        ("no-devices:devmm_svm", ("--tool", "msame")),
        ("not-in-group", ()),
    ],
)
def test_9_a_device_that_cannot_be_opened(fault, tool, here, infer):
    here(fault)
    message = told(infer(*tool))
    assert "Code 507033: the device could not be opened" in message
    assert "another process or container may have it" in message
    assert "/dev/davinci*, davinci_manager, devmm_svm and hisi_hdc have to be mounted" in message
    assert "HwHiAiUser" in message
    assert REBOOT in message


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("smi:-8005", ("ret is -8005", "other container or virtual machine that has it", "/usr/local/dcmi")),
        ("smi:-8020", ("ret is -8020", "driver and firmware may not fit each other")),
        ("driver:other-firmware", ("ret is -8020", "driver and firmware may not fit each other")),
        ("not-in-group", ("ret is -8005", "HwHiAiUser")),
        ("no-devices", ("ret is -8005", "/dev/davinci*, davinci_manager, devmm_svm and hisi_hdc")),
        ("no-dcmi", ("libdcmi.so", "/usr/local/dcmi")),
        ("no-driver", ("libascend_hal.so", "/usr/local/Ascend/driver")),
    ],
)
def test_9_npu_smi_says_why_the_chip_is_not_known(fault, words, here, run):
    here(fault)
    message = told(run("common.atc", "--force"))  # asks for the chip
    for word in words:
        assert word in message
    assert "--soc-version" in message


def test_9_a_device_that_is_lost_halfway(here, infer):
    here("device-lost-halfway")
    message = told(infer())
    assert "Code 507011: the model failed on the device" in message
    assert "Run the same command again, which goes on from there" in message
    here()
    assert infer().returncode == 0


# 10. An OM for something else.


def test_10_an_om_for_another_chip(here, infer, run):
    assert run("common.atc", "--soc-version", "Ascend310B4", "--output", "other").returncode == 0
    message = told(infer(model="other.om"))
    assert "other.om: made for Ascend310B4, but this machine has Ascend310P3" in message
    assert f"python -m common.atc --soc-version {CHIP}" in message


def test_10_without_a_record_the_library_says_it(here, infer, tmp_path):
    (tmp_path / "tiny_bs2.om.json").unlink()
    here("soc-mismatch")
    done = infer()
    assert "no record beside it" in done.stderr
    message = told(done)
    assert "often for being of another chip or version of CANN" in message
    assert "python -m common.atc --force" in message


def test_10_an_om_that_crashes_what_loads_it(here, infer):
    here("load-crash")
    message = told(infer())
    assert "ended by SIGSEGV, opening the model" in message
    assert "built for another chip can do that: convert it for this one with python -m common.atc" in message
    message = told(infer("--tool", "ais_bench"))
    assert "was ended by signal 11" in message
    assert "built for another chip" in message


@pytest.mark.parametrize("tool", [(), ("--tool", "ais_bench")])
def test_10_another_version_of_the_operators(tool, here, infer):
    here("opp-mismatch")
    message = told(infer(*tool))
    assert "another version of CANN" in message
    assert "python -m common.atc --force" in message


def test_10_another_version_of_cann_is_noted(here, infer, tmp_path, monkeypatch):
    layout.write(tmp_path / "other", settings.Settings(cann="7.0.0-rehearsal"))
    for name in ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH"):
        monkeypatch.setenv(name, str(tmp_path / "other"))
    done = infer()
    assert done.returncode == 0
    assert (
        f"made with CANN {settings.CANN}, and run with 7.0.0-rehearsal; if it fails, convert it"
        in done.stderr
    )


# 12. Files of the wrong size, results that are not whole.


@pytest.mark.parametrize("size", [0.5, 2, 0])
@pytest.mark.parametrize("tool", [(), ("--tool", "ais_bench")])
def test_12_a_file_of_another_size_is_never_paired(size, tool, here, infer, tmp_path):
    path = tmp_path / "prep" / "img_03.bin"
    content = path.read_bytes()
    path.write_bytes((content * 2)[: int(size * len(content))])
    message = told(infer(*tool))
    assert "img_03.bin" in message
    assert "288" in message
    assert not list((tmp_path / "results").rglob("*.bin"))


def test_12_the_tools_own_word_is_understood(here, infer, run, tmp_path):
    """What ais_bench says by itself of files that do not fit, as those of another size."""
    (tmp_path / "bytes").mkdir()
    np.zeros(1000, np.uint8).tofile(tmp_path / "bytes" / "a.bin")
    words = ("-m", "ais_bench", "--model", "tiny_bs2.om", "--input", "bytes", "--output", ".")
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode
    from common.npu_tools import ais_failure

    found = ais_failure.failure(done.stdout + done.stderr)
    assert found is not None
    assert found.mismatch is not None
    assert found.mismatch[1:] == (576, 1000)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("result-short", ("without a whole result: img_00", "run the same command again to go on")),
        ("result-missing", ("without a whole result: img_00", "Is the disk full?")),
        ("tool-writes-nothing", ("5 inputs without a whole result", "Is the disk full?")),
        ("nan", ("not finite", "precision_mode=must_keep_origin_dtype")),
        ("tool-dies-halfway", ("ended by signal 9", "where memory runs out")),
        ("disk-full", ("img_0", "run the same command again to go on")),
    ],
)
def test_12_results_that_are_not_whole(fault, words, here, infer):
    here(fault)
    message = told(infer("--tool", "ais_bench"))
    for word in words:
        assert word.lower() in message.lower()


def test_12_an_output_without_a_batch(here, infer, run, make_onnx, write_model):
    """Its first side is none of the batch: the tool says that it cannot divide it among the files."""
    proto = onnx.load("tiny.onnx")
    proto.graph.node.append(helper.make_node("Transpose", ["sums"], ["turned"], "Turn_1", perm=[1, 0]))
    proto.graph.output[1].CopyFrom(helper.make_tensor_value_info("turned", TensorProto.FLOAT, [3, "N"]))
    onnx.save(proto, "tiny.onnx")
    write_model(('insert_op_conf = "aipp.config"\n', ""), ('name = "sums"', 'name = "turned"'))
    assert run("common.atc", "--batch-size", 2, "--soc-version", CHIP, "--output", "turned").returncode == 0
    message = told(infer(model="turned.om"))
    assert "has the shape (3, 2) for 2 images; the batch must be first" in message
    message = told(infer("--tool", "ais_bench", model="turned.om"))
    assert "save out files error array shape:(3, 2)" in message
    assert "the batch is not first in it" in message
    assert "--output_batchsize_axis" in message


def test_14_a_batch_size_that_is_not_the_models(here, infer, tmp_path):
    assert "built for batches of 2; --batch-size 4 is more" in told(infer("--batch-size", 4))
    tool = ("--tool", "ais_bench", "--batch-size", 4)
    assert "made for batches of 2; --batch-size 4 is not that" in told(infer(*tool))
    (tmp_path / "tiny_bs2.om.json").unlink()  # without the record, the tool's figures tell
    assert "takes batches of 2, not of 4, so the tool's figures are wrong" in told(infer(*tool))


# 13. The profiler changes the directory; versions that do not belong together.


def test_13_paths_are_absolute_whatever_the_tool_does_with_the_directory(
    here, infer, run, tmp_path, rehearsal_folder
):
    words = [
        "-m",
        "ais_bench",
        "--model",
        "tiny_bs2.om",
        "--input",
        "prep",
        "--output",
        "out",
        "--profiler",
        "1",
    ]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode  # relative ones lead nowhere
    done = infer("--tool", "ais_bench")
    assert done.returncode == 0
    (command,) = [line for line in done.stdout.splitlines() if line.startswith("> ")]
    for option in ("--model", "--input", "--output"):
        assert f"{option} {tmp_path}/" in command or f"{option}={tmp_path}/" in command


@pytest.mark.parametrize("tool", [(), ("--tool", "ais_bench")])
def test_13_versions_that_do_not_belong_together(tool, here, infer):
    here("aclruntime:other-version")
    message = told(infer(*tool))
    assert "Ais_bench and aclruntime are of different versions" in message
    assert "Install both wheels of one release from Ascend's own repository" in message


def test_13_an_aclruntime_that_cannot_be_imported(here, infer):
    here("aclruntime:missing", "no-driver")
    message = told(infer())
    assert "ais_bench" in message
    assert "libascend_hal.so: cannot open shared object file" in message


def test_13_without_aclruntime_pyacl_does_it(here, infer):
    here("aclruntime:missing")
    assert infer().returncode == 0
