"""What users fail at in converting a model: each cause is made, by hand or by a fault of the rehearsal, and told.

The number in a test's name is the entry's in the list that test_pains.py tells of.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess

import onnx
import pytest
from onnx import TensorProto, helper

from ascend_tools.testing.commands import call

SOC = ("--soc-version", "Ascend310P3")


@pytest.fixture
def here(sourced, write_model, make_onnx, tmp_path, monkeypatch):
    """A model directory of the tiny model, with a rehearsal set up; called with names of faults, it asks for them."""
    write_model(('insert_op_conf = "aipp.config"\n', ""))
    make_onnx()
    monkeypatch.chdir(tmp_path)
    return sourced


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    return functools.partial(call, tmp_path, capsys=capsys, monkeypatch=monkeypatch)


@pytest.fixture
def refused(run):
    """Convert, which has to end with one message and no OM; return the message."""

    def convert(*words):
        done = run("common.atc", *(words or SOC))
        assert done.returncode == 1
        (message,) = done.stderr.split("error: ")[1:]
        assert "Traceback" not in done.stdout + done.stderr
        return message

    return convert


def explained(run, tmp_path, printed):
    (tmp_path / "atc.log").write_text(printed)
    done = run("common.atc", "--explain", "atc.log")
    assert done.returncode == 0
    return done.stdout


def atc(*words):
    command = [shutil.which("atc"), "--framework=5", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def save(path, nodes, opset=11, domains=()):
    """Write a network of the tiny model's input and outputs with other nodes."""
    values = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 4, 6])]
    outputs = [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["N", 3, 4, 6])]
    graph = helper.make_graph(nodes, "odd", values, outputs)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)


# 1. No parser: an operator set that is too new, operators that are none of ONNX's.


def test_1_an_operator_set_that_is_too_new(here, refused, run, tmp_path):
    save("new.onnx", [helper.make_node("Div", ["image", "image"], ["scaled"], "Div_1")], opset=23)
    assert "opset: expected at most 11, the file has 23" in refused("--model", "new.onnx", *SOC)
    printed = atc(
        "--model=new.onnx", "--output=m", "--input_shape=image:1,3,4,6", "--soc_version=Ascend310P3"
    )
    found = explained(run, tmp_path, printed.stdout)
    assert "E19010: No parser is registered for Op [Div_1, optype [ai.onnx::23::Div]]" in found
    assert "operator set 23, newer than this CANN reads; export it in an older one" in found
    assert "python pth2onnx.py --opset 11" in found


def test_1_operators_of_nobody_are_all_named(here, run, tmp_path):
    nodes = [
        helper.make_node("FindMax", ["image"], ["a"], "FindMax_1"),
        helper.make_node("Neg", ["a"], ["b"], "Neg_1"),
        helper.make_node("TomeMerged", ["b"], ["scaled"], "TomeMerged_2"),
    ]
    save("custom.onnx", nodes)
    printed = atc(
        "--model=custom.onnx", "--output=m", "--input_shape=image:1,3,4,6", "--soc_version=Ascend310P3"
    )
    assert printed.returncode
    found = explained(run, tmp_path, printed.stdout)
    assert "operator ai.onnx::11::FindMax: FindMax_1" in found
    assert "operator ai.onnx::11::TomeMerged: TomeMerged_2" in found
    assert "none of ONNX's own: correct its name in the graph, install the package of operators" in found


# 4. force_fp32 on a chip that computes in float16.


def test_4_float32_where_the_chip_has_none(here, run):
    words = ("--option", "precision_mode=force_fp32", "--dry-run", "--soc-version")
    done = run("common.atc", *words, "Ascend310B4")
    assert done.returncode == 0
    assert "note: --precision_mode=force_fp32: the 310B computes in float16" in done.stderr
    assert "--option precision_mode=" in done.stderr
    assert "note" not in run("common.atc", *words, "Ascend310P3").stderr


# 5. Dynamic dimensions without a shape, a shape for another name.


def test_5_a_name_that_the_file_does_not_have(here, refused, write_model, run, tmp_path):
    write_model(('insert_op_conf = "aipp.config"\n', ""), ('name = "image"', 'name = "images"'))
    message = refused()
    assert "inputs: model.toml says ['images'], the file has ['image']" in message
    options = ("--model=tiny.onnx", "--output=m", "--soc_version=Ascend310P3")
    for shape, says in (
        ("--input_shape=images:1,3,4,6", "E10016: Opname [images] specified in [--input_shape] is not found"),
        ("--log=error", "name each input in --input_shape, as it is called in the ONNX file"),
    ):
        found = explained(run, tmp_path, atc(*options, shape).stdout)
        assert says in found
        assert "python -m common.atc --dry-run" in found
    nodes = atc(*options, "--input_shape=image:1,3,4,6", "--out_nodes=Reshape_134:0")
    assert "E10016: Opname [Reshape_134] specified in [--out_nodes]" in explained(run, tmp_path, nodes.stdout)


# 6. set_env.sh was not sourced; a value with a semicolon was not in quotes.


def test_6_without_set_env(here, run, refused, tmp_path, monkeypatch, rehearsal_folder):
    monkeypatch.delenv("ASCEND_OPP_PATH")
    message = refused()  # atc is found, its environment is not
    assert "E10001: Value [linux] for parameter [--host_env_os] is invalid" in message
    assert "source /usr/local/Ascend/ascend-toolkit/set_env.sh" in message
    found = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv(
        "PATH", os.pathsep.join(each for each in found if not each.startswith(str(rehearsal_folder)))
    )
    message = refused()
    assert "`atc` is not on PATH" in message
    assert "source /usr/local/Ascend/ascend-toolkit/set_env.sh" in message


def test_6_a_semicolon_without_quotes(here, run, tmp_path):
    words = (
        "atc --framework=5 --output=m --soc_version=Ascend310P3 --out_nodes=Sum_7:0;Mul_8:0 --model=tiny.onnx"
    )
    done = subprocess.run(["/bin/sh", "-c", words], capture_output=True, text=True, check=False, timeout=120)
    found = explained(run, tmp_path, done.stdout)
    assert found.startswith("E10054: The requied parameter [--model] for ATC is empty")
    assert "values with a semicolon have to be in quotes" in found


# 7. What ATC's compiler needs of Python.


@pytest.mark.parametrize(
    ("fault", "install"),
    [
        ("decorator", "decorator"),
        ("attrs", "attrs"),
        ("absl-py", "absl-py"),
        ("scipy", "scipy"),
        ("psutil", "psutil"),
    ],
)
def test_7_a_module_that_is_missing(fault, install, here, refused):
    here(f"atc-python:{fault}")
    message = refused()
    assert "EC0010: Failed to import Python module [ModuleNotFoundError: No module named" in message
    assert f"Install it into the python3 that ATC embeds: python3 -m pip install {install}\n" in message
    assert "In a conda environment ATC may embed the system's python3" in message


def test_7_a_module_of_canns_own(here, refused):
    here("atc-python:te")
    assert "The module 'te' is CANN's own, found through PYTHONPATH" in refused()
    here("atc:E40000")
    assert "E40000: Failed to import [te.platform.log_util]" in refused()


def test_7_a_numpy_that_is_too_new(here, refused):
    here("atc-python:numpy2")
    message = refused()
    assert "`np.float_` was removed in the NumPy 2.0 release" in message
    assert 'needs a numpy below 2: python3 -m pip install "numpy<2"' in message


# 8. A toolkit without a driver.


def test_8_without_the_drivers_library(here, refused, run, monkeypatch, rehearsal_folder):
    here("no-driver")
    message = refused()
    assert "libascend_hal.so: cannot open shared object file" in message
    assert "export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$ASCEND_TOOLKIT_HOME/$(uname -m)-linux/devlib" in message
    stub = rehearsal_folder / f"{platform.machine()}-linux" / "devlib"
    assert (stub / "libascend_hal.so").is_file()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(stub), prepend=os.pathsep)
    done = run("common.atc", *SOC)  # what the message says helps
    assert done.returncode == 0
    assert "tiny_bs1.om: ready" in done.stdout


# 11. Memory.


def test_11_killed_where_memory_runs_out(here, refused, tmp_path):
    here("atc:killed")
    message = refused()
    assert "SIGKILL" in message
    assert "the memory did not suffice" in message
    assert (
        "export TE_PARALLEL_COMPILER=1 MAX_COMPILE_CORE_NUMBER=1; add swap, or convert on a larger machine"
        in message
    )
    assert not list(tmp_path.glob("*.om"))


# 15. Two domains of operators; AIPP.


def test_15_a_domain_that_is_not_used(here, refused, run, tmp_path):
    nodes = [
        helper.make_node("ReduceSum", ["image"], ["sums"], "Sum_1", axes=[2, 3], keepdims=0),
        helper.make_node("Neg", ["image"], ["scaled"], "Neg_1"),
    ]
    save("two.onnx", nodes, domains=("ai.onnx.ml",))
    proto = onnx.load("two.onnx")
    proto.graph.output.append(helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["N", 3]))
    onnx.save(proto, "two.onnx")
    message = refused("--model", "two.onnx", *SOC)
    assert "E16005: The model has [2] [--domain_version] fields" in message
    assert "remove the opset_import" in message


def test_15_aipp_and_half_precision(here, refused, write_model, run, tmp_path):
    write_model()
    options = ("--model=tiny.onnx", "--output=m", "--soc_version=Ascend310P3", "--input_shape=image:1,3,4,6")
    half = atc(*options, "--insert_op_conf=aipp.config", "--input_fp16_nodes=image")
    assert "take it out of --input_fp16_nodes" in explained(run, tmp_path, half.stdout)
    (tmp_path / "aipp.config").write_text(
        "aipp_op {\n aipp_mode: static\n input_format: RGB888_U8\n src_image_size_w: 8\n src_image_size_h: 8\n}\n"
    )
    assert "aipp.config" in refused()  # before ATC is called
    sized = atc(*options, "--insert_op_conf=aipp.config")
    found = explained(run, tmp_path, sized.stdout)
    assert found.startswith("E10052: AIPP configuration is invalid")
    assert "the size after crop, resize and padding has to be the height and width of --input_shape" in found
