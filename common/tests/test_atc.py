"""atc.py: the guide's command, checked against the ONNX file, and run with an `atc` that checks it again."""

from __future__ import annotations

import subprocess
import sys

import onnx
import pytest

from common.atc import atc_command, main
from common.errors import GuideError
from common.facts import read_facts
from common.graph.outline import describe, load
from common.process import quote

GOLDEN = (
    "atc --framework=5 --model=tiny.onnx --output=tiny_bs16 --input_format=NCHW "
    '--input_shape="image:16,3,4,6" --log=debug --soc_version=Ascend310P3 --out_nodes="Add_9:0;Sum_7:0" '
    "--enable_small_channel=1 --insert_op_conf=aipp.config"
)
# Checks its arguments as ATC's documentation has them, and then does what ATC's texts say, or what MODE says.
ATC = r"""
import json, os, pathlib, re, sys

known = {
    "framework": "5", "model": r".+\.onnx", "output": r"(?!.*\.om$).*[^/]", "input_format": "NCHW|ND|NCDHW",
    "input_shape": r"[\w.]+:\d+(,\d+)*(;[\w.]+:\d+(,\d+)*)*", "log": "debug|info|warning|error|null",
    "soc_version": r"Ascend\d\w*", "out_nodes": r"[^:;]+:\d+(;[^:;]+:\d+)*", "enable_small_channel": "[01]",
    "insert_op_conf": ".+", "precision_mode": r"\w+", "modify_mixlist": ".+",
}
print("ATC start working now, please wait for a moment.", flush=True)
given = {}
for word in sys.argv[1:]:
    match = re.fullmatch(r"--(\w+)=(.*)", word)
    if not match or match[1] in given or not re.fullmatch(known.get(match[1], "(?!)"), match[2]):
        sys.exit(2)
    given[match[1]] = match[2]
if not {"framework", "model", "output", "soc_version"} <= set(given):
    sys.exit(2)
if not all(os.path.isfile(given[name]) for name in ("model", "insert_op_conf") if name in given):
    sys.exit(2)
om = pathlib.Path(given["output"] + ".om")
if MODE == "fail":
    print("E19010: No parser is registered for Op [Mul]", file=sys.stderr, flush=True)
    print("ATC run failed, Please check the detail log, Try 'atc --help' for more information")
    sys.exit(1)
if MODE != "silent":
    om.write_bytes(b"OM" + MODE.encode())
print("ATC run success, welcome to the next use.")
sys.exit(1 if MODE == "late" else 0)
"""


@pytest.fixture
def folder(make_onnx, write_model, monkeypatch):
    """A model directory, which one stands in."""
    make_onnx()
    monkeypatch.chdir(write_model())
    return write_model()


@pytest.fixture
def fake_atc(program):
    return lambda mode="ok": program("atc", f"MODE = {mode!r}\n{ATC}")


def refusal(folder, batch_size=1, soc_version="Ascend310P3"):
    with pytest.raises(GuideError) as error:
        atc_command(read_facts(folder), folder / "tiny.onnx", batch_size, soc_version, folder)
    return str(error.value)


@pytest.mark.usefixtures("folder", "nothing_on_path")
def test_a_dry_run_prints_the_guides_command_and_needs_no_tool(capsys):
    assert main(["--batch-size", "16", "--soc-version", "Ascend310P3", "--dry-run"]) == 0
    assert capsys.readouterr() == (f"{GOLDEN}\n", "")


def test_the_printed_command_is_one_that_atc_takes_in_a_shell(folder, fake_atc, capsys):
    fake_atc()
    main(["--batch-size", "16", "--soc-version", "Ascend310P3", "--dry-run"])
    subprocess.run(["/bin/sh", "-c", capsys.readouterr().out], check=True)
    assert (folder / "tiny_bs16.om").read_bytes() == b"OMok"


def test_the_command_without_aipp_and_out_nodes_is_as_short_as_the_guides(make_onnx, write_model):
    options = '[atc.options]\nenable_small_channel = 1\ninsert_op_conf = "aipp.config"\n'
    folder = write_model(("name_out_nodes = true\n", ""), (options, ""), ('"debug"', '"error"'))
    command = atc_command(read_facts(folder), make_onnx(), 1, "Ascend310", folder)
    assert quote(command) == (
        f"atc --framework=5 --model={folder / 'tiny.onnx'} --output=tiny_bs1 --input_format=NCHW "
        '--input_shape="image:1,3,4,6" --log=error --soc_version=Ascend310'
    )


def test_a_mixlist_is_passed_on_with_a_mixed_precision(make_onnx, write_model):
    new = 'precision_mode = "allow_mix_precision"\nmodify_mixlist = "ops.json"\n'
    folder = write_model(("enable_small_channel = 1\n", new))
    (folder / "ops.json").write_text('{"black-list": {"to-add": ["ReduceMeanD"]}}')
    command = atc_command(read_facts(folder), make_onnx(), 1, "Ascend310", folder)
    assert command[-3:-1] == ["--precision_mode=allow_mix_precision", "--modify_mixlist=ops.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"black-list": {"to-add": ["NoSuchOperator"]}}'])
def test_a_mixlist_that_atc_would_not_take_is_refused(make_onnx, write_model, text):
    new = 'precision_mode = "allow_mix_precision"\nmodify_mixlist = "ops.json"\n'
    folder = write_model(("enable_small_channel = 1\n", new))
    (folder / "ops.json").write_text(text)
    with pytest.raises(GuideError, match=r"ATC would not convert this as model.toml says:\n  .*ops\.json: "):
        atc_command(read_facts(folder), make_onnx(), 1, "Ascend310", folder)


@pytest.mark.usefixtures("folder")
def test_the_chip_is_asked_for_where_none_is_named(npu_smi, capsys):
    one = "| 0 310 | OK | 15.8 42 |\n| 0 0 | 0000:80:00.0 | 0 |\n"
    npu_smi(one)
    assert main(["--dry-run"]) == 0
    assert " --soc_version=Ascend310 " in capsys.readouterr().out
    npu_smi(one + one.replace("310", "310P3"))
    assert main(["--dry-run"]) == 1
    assert "several kinds of chip: Ascend310, Ascend310P3" in capsys.readouterr().err


def test_a_network_of_one_image_is_refused_other_batches(write_model, make_onnx):
    folder = write_model(('shape = ["N", 3, 4, 6]', "shape = [1, 3, 4, 6]"))
    make_onnx()
    assert "--input_shape=image:1,3,4,6" in atc_command(
        read_facts(folder), folder / "tiny.onnx", 1, "Ascend310P3", folder
    )
    assert "\n  --batch-size: Tiny takes 1 alone, asked for 4; leave --batch-size out" in refusal(folder, 4)


CHANNEL = "enable_small_channel = 1"
MIXLIST = 'modify_mixlist = "model.toml"'


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "image"', 'name = "x.1"', "inputs: model.toml says ['x.1'], the file has ['image']"),
        ("3, 4, 6]", "3, 8, 6]", "input 'image': asked for (1, 3, 8, 6), the file has ('N', 3, 4, 6)"),
        ('["N", 3, 4, 6]', '["N", 128]', "input 'image': expected 2 dimensions, the file has 4"),
        ('"float32"', '"float16"', "input 'image': expected float16, the file has float32"),
        (
            'name = "sums"',
            'name = "loc"',
            "outputs: model.toml says ['scaled', 'loc'], the file has ['scaled',",
        ),
        ("opset = 11", "opset = 10", "opset: expected at most 10, the file has 11"),
        (CHANNEL, "enable_small_channel = 2", "--enable_small_channel: expected one of 0, 1, found '2'"),
        (
            CHANNEL,
            "enable_smal_channel = 1",
            "--enable_smal_channel: not a known option; did you mean --enable",
        ),
        (CHANNEL, "qq = 1", "--qq: not a known option"),
        (CHANNEL, 'log = "error"', "--log"),  # given twice
        (CHANNEL, 'input_format = "ND"', "--input_format"),
        (CHANNEL, 'precision_mode = "mixed"', "--precision_mode: expected one of force_fp16, force_fp32,"),
        (CHANNEL, MIXLIST, "--modify_mixlist: needs --precision_mode"),
        (
            CHANNEL,
            f'{MIXLIST}\nprecision_mode = "force_fp16"',
            "--modify_mixlist: needs --precision_mode to be one",
        ),
        ('"debug"', '"verbose"', "--log: expected one of debug, info, warning, error, null, found 'verbose'"),
        ('"NCHW"', '"NHWC"', "--input_format: expected one of NCHW, ND, NCDHW, found 'NHWC'"),
        ("{batch_size}", "{bs}", "output: expected no placeholder but {batch_size}, found 'tiny_bs{bs}'"),
        ('"aipp.config"', '"lost.config"', "--insert_op_conf: no such file: "),
        ('"aipp.config"', '"."', "--insert_op_conf: no such file: "),
    ],
)
def test_what_does_not_fit_is_found_before_atc_runs(make_onnx, write_model, old, new, problem):
    make_onnx()
    folder = write_model((old, new))
    first, *problems = refusal(folder).splitlines()
    assert first == f"{folder / 'tiny.onnx'}: ATC would not convert this as model.toml says:"
    assert [line for line in problems if line.startswith(f"  {problem}")]


def test_all_that_does_not_fit_is_listed_at_once(make_onnx, write_model):
    make_onnx()
    folder = write_model(("opset = 11", "opset = 9"), ("enable_small_channel = 1", "zeta = 1"))
    assert refusal(folder, soc_version="310P3").splitlines()[1:] == [
        "  opset: expected at most 9, the file has 11",
        "  --zeta: not a known option",
        "  --soc-version: expected Ascend and the chip's name, as in Ascend310P3, found '310P3'",
    ]


def test_a_file_of_a_fixed_batch_is_converted_for_that_batch_only(make_onnx, folder):
    make_onnx(batch=4)
    command = atc_command(read_facts(folder), folder / "tiny.onnx", 4, "Ascend310", folder)
    assert "--input_shape=image:4,3,4,6" in command
    message = "asked for (16, 3, 4, 6), the file has (4, 3, 4, 6); export it for this batch size"
    assert f"input 'image': {message}" in refusal(folder, batch_size=16)


def test_outputs_without_a_named_node_are_refused(folder):
    model = load(folder / "tiny.onnx")
    model.graph.node[2].name = ""
    onnx.save(model, folder / "tiny.onnx")
    assert describe(model).producers["scaled"] == ":0"
    assert "outputs ['scaled'] come from nodes without a name; export the model again" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("src_image_size_w : 6 src_image_size_h : 4", None),
        (
            "src_image_size_w : 6 src_image_size_h : 5",
            "src_image_size is (6, 5), the input's width and height",
        ),
        ("src_image_size_w : 6", "src_image_size_w and src_image_size_h: expected both, found one."),
        ("crop : true", "aipp.config: `crop : true` is not supported here"),
    ],
)
def test_an_aipp_file_that_does_not_fit_is_refused_by_name(folder, text, message):
    path = folder / "aipp.config"
    path.write_text(f"aipp_op {{ aipp_mode : static input_format : RGB888_U8 {text} }}")
    if message:
        assert message in (refused := refusal(folder))
        assert str(path) in refused
    else:
        assert atc_command(read_facts(folder), folder / "tiny.onnx", 1, "Ascend310P3", folder)


def test_aipp_for_an_input_of_another_number_of_channels_is_refused(make_onnx, write_model):
    make_onnx(channels=1)
    folder = write_model(('["N", 3, 4, 6]', '["N", 1, 4, 6]'))
    message = f"{folder / 'aipp.config'}: RGB888_U8 has 3 channels, input 'image' has 1"
    assert refusal(folder).splitlines()[1:] == [f"  {message}"]


def test_an_input_of_another_rank_is_refused_without_aipp_too(make_onnx, write_model):
    make_onnx()
    folder = write_model(('["N", 3, 4, 6]', '["N", 128]'), ('insert_op_conf = "aipp.config"\n', ""))
    assert "input 'image': expected 2 dimensions, the file has 4" in refusal(folder)


@pytest.mark.parametrize("old", [False, True])
def test_a_conversion_shows_the_command_and_what_atc_says(folder, fake_atc, capfd, old):
    fake_atc()
    if old:
        (folder / "tiny_bs16.om").write_bytes(b"OMok")
    words = ["--batch-size", "16", "--soc-version", "Ascend310P3"]
    if old:
        assert main(words) == 0
    else:
        subprocess.run([sys.executable, "-m", "common.atc", *words], check=True)
    assert (folder / "tiny_bs16.om").read_bytes() == b"OMok"
    assert capfd.readouterr().out == (
        f"> {GOLDEN}\n"
        "ATC start working now, please wait for a moment.\n"
        "ATC run success, welcome to the next use.\n"
        "tiny_bs16.om: ready for the NPU, batch size 16\n"
    )


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("fail", "atc failed with exit code 1; its last words were:\n  ATC start working now"),
        ("fail", "\n  E19010: No parser is registered for Op [Mul]\n  ATC run failed, Please check"),
        ("late", "atc failed with exit code 1; its last words were:\n"),
        ("silent", "atc ended with exit code 0 but wrote no new tiny_bs1.om; its last words were:\n"),
    ],
)
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.usefixtures("folder")
def test_success_is_exit_code_0_and_a_new_file_whatever_atc_prints(
    folder, fake_atc, mode, message, old, capsys
):
    fake_atc(mode)
    if old:
        (folder / "tiny_bs1.om").write_bytes(b"old")
    assert main(["--soc-version", "Ascend310P3"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("error: atc ")
    assert message in printed.err
    assert "ready for the NPU" not in printed.out
    assert [path.read_bytes() for path in folder.glob("*.om*")] == [b"old"] * old


def test_an_om_set_aside_when_the_program_was_killed_is_not_lost(folder, fake_atc):
    (folder / ".tiny_bs1.om.earlier").write_bytes(b"good")
    (folder / "tiny_bs1.om").write_bytes(b"half")
    fake_atc("fail")
    assert main(["--soc-version", "Ascend310P3"]) == 1
    assert (folder / "tiny_bs1.om").read_bytes() == b"good"
    fake_atc()
    assert main(["--soc-version", "Ascend310P3"]) == 0
    assert [path.read_bytes() for path in folder.glob("*tiny_bs1.om*")] == [b"OMok"]


def test_the_result_goes_into_a_new_folder_and_another_model_can_be_named(
    tmp_path, make_onnx, write_model, fake_atc, monkeypatch
):
    fake_atc()
    make_onnx("other file.onnx")
    monkeypatch.chdir(write_model(('"tiny_bs{batch_size}"', '"om/deep/b{batch_size}"')))
    assert main(["--model", "other file.onnx", "--soc-version", "Ascend310"]) == 0
    assert (tmp_path / "om" / "deep" / "b1.om").read_bytes() == b"OMok"


@pytest.fixture
def for_atc(folder, write_model):
    """A model directory with a file for ATC beside the other one, with an operator that only ATC knows."""
    write_model(("name_out_nodes", 'onnx = "tiny_atc.onnx"\nname_out_nodes'))
    model = onnx.load(folder / "tiny.onnx")
    model.graph.node[1].op_type = "PSROIPooling"
    onnx.save(model, folder / "tiny_atc.onnx")
    return folder


@pytest.mark.usefixtures("for_atc", "nothing_on_path")
def test_the_file_for_atc_is_taken_and_may_have_operators_of_its_own(capsys):
    assert main(["--batch-size", "16", "--soc-version", "Ascend310P3", "--dry-run"]) == 0
    expected = GOLDEN.replace("tiny.onnx", "tiny_atc.onnx")
    assert capsys.readouterr() == (f"{expected}\n", "")


def test_the_file_for_atc_is_converted(for_atc, fake_atc):
    fake_atc()
    assert main(["--batch-size", "2", "--soc-version", "Ascend310P3"]) == 0
    assert (for_atc / "tiny_bs2.om").read_bytes() == b"OMok"


@pytest.mark.usefixtures("nothing_on_path")
def test_the_file_for_atc_is_checked_like_any_other(for_atc, capsys):
    path = for_atc / "tiny_atc.onnx"
    model = onnx.load(path)
    model.opset_import[0].version = 13
    for content, messages in (
        (
            model.SerializeToString(),
            ("ATC would not convert this", "opset: expected at most 11, the file has 13"),
        ),
        (b"", ("not an ONNX file",)),
        (None, ("no such ONNX file.",)),
    ):
        path.unlink() if content is None else path.write_bytes(content)
        assert main(["--soc-version", "Ascend310P3", "--dry-run"]) == 1
        printed = capsys.readouterr().err
        assert printed.startswith(f"error: tiny_atc.onnx: {messages[0]}")
        assert messages[-1] in printed


def test_a_file_with_such_operators_is_refused_where_there_is_no_file_for_atc(for_atc, write_model, capsys):
    write_model()
    assert main(["--model", "tiny_atc.onnx", "--soc-version", "Ascend310P3", "--dry-run"]) == 1
    assert "tiny_atc.onnx: not a valid ONNX file" in capsys.readouterr().err


@pytest.mark.usefixtures("folder", "nothing_on_path")
def test_without_atc_the_message_says_how_to_get_it(capsys):
    assert main(["--soc-version", "Ascend310P3"]) == 1
    message = capsys.readouterr().err
    assert message.startswith(
        "error: the program `atc` is not on PATH. Install CANN and run `source /usr/local/"
    )
    assert "--dry-run needs neither." in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lost.onnx", "no such ONNX file. Make it as the README's section 3 says."),
        ("aipp.config", "not an ONNX file, or a truncated one; export it again."),
        (".", "not a regular file, which is needed here; name one."),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_no_onnx_file_is_named(name, message, capsys):
    assert main(["--model", name, "--soc-version", "Ascend310P3", "--dry-run"]) == 1
    assert capsys.readouterr().err == f"error: {name}: {message}\n"


def test_outside_a_model_directory_the_message_says_where_to_go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--dry-run"]) == 1
    expected = "error: model.toml: no such file. Run this command inside a model directory.\n"
    assert capsys.readouterr().err == expected
