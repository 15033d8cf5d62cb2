"""rehearse/walk.py and what it is made of: which commands are walked, the shell they are pasted into, the figures."""

from __future__ import annotations

import json
import re

import pytest

from ascend_tools.rehearse import desk, walk
from ascend_tools.rehearse.measured import Measured
from ascend_tools.rehearse.readme import Command, read
from ascend_tools.rehearse.shell import Shell
from common.errors import GuideError
from common.facts import read_facts
from tests.conftest import DIRECTORIES, ROOT

IDS = [path.name for path in DIRECTORIES]


@pytest.fixture
def shell(tmp_path):
    (tmp_path / "a home").mkdir()
    return Shell(tmp_path / "a home", tmp_path / "settings.sh")


def test_a_shell_keeps_settings_and_directory(shell):
    assert shell.run("mkdir there && cd there", 60) == (0, "")
    assert shell.run("""export A='x "y'"$((1 + 1))"; B=1""", 60) == (0, "")
    place = f"{shell.home}/there\n"
    assert shell.run("""echo x >a; pwd; printf '%s.' "$A" "$B" """, 60) == (0, f'{place}x "y2..')
    shell.go_home()
    assert shell.run("ls; ls there", 60) == (0, "there\na\n")


def test_a_shell_tells_what_fails_and_goes_on(shell):
    assert shell.run("cd nowhere", 60)[0] == 1
    assert shell.run("no-such-program", 60)[0] == 127
    assert shell.run("(exit 3)", 60) == (3, "")
    assert shell.run("NAME=x sh -c 'echo $NAME'; echo $NAME", 60) == (0, "x\n\n")


def test_a_program_that_never_ends_is_given_up(shell):
    with pytest.raises(GuideError, match="has not ended after 0.5 seconds"):
        shell.run("sleep 60", 0.5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pip install ../common", "install"),
        ("python faceboxes_pth2onnx.py --trained_model a", "export"),
        ("python evaluate.py --data FDDB", "torch"),
        ("python evaluate.py --form original --cuda --data data --out output/gpu | tee gpu.log", "torch"),
        ("python evaluate.py --backend om --model a.om --data FDDB", None),
        ("python evaluate.py -g ./ground_truth", None),
        ("python -m common.infer --model a.onnx --loop 20 --out b", "speed"),
        ("./benchmark.x86_64 -round=20 -om_path=a.om", "speed"),
        ("./benchmark.x86_64 -model_type=vision -om_path=a.om", None),
        ("python -m common.throughput a.txt --device 310P", None),
        ("python -m common.throughput a.log --device T4", "NVIDIA"),
    ],
)
def test_what_is_left_out_has_a_reason(text, reason):
    found = walk.left_out(text)
    assert found is None if reason is None else reason in str(found)


@pytest.mark.parametrize("folder", DIRECTORIES, ids=IDS)
def test_every_readme_has_the_commands_that_a_walk_needs(folder):
    commands = [entry for entry in read(folder / "README.md") if isinstance(entry, Command)]
    walked = [entry.text for entry in commands if entry.section[:1] >= "3" and not walk.left_out(entry.text)]
    assert any(walk.REAL in text for text in walked)
    for pattern in walk.FAULTS:
        assert any(re.search(pattern, text) for text in walked), pattern
    for words in ("benchmark.x86_64 -model", "ais_infer.py --model"):
        if any(words in text for text in walked):
            break
    else:
        pytest.fail("no tool of the vendor's by hand")
    assert any("common.infer --model" in text and ".onnx" in text for text in walked)


def write(folder, name, backend, metrics):
    out = folder / "outs" / name
    out.mkdir(exist_ok=True, parents=True)
    (out / "metrics.json").write_text(json.dumps({"backend": backend, "metrics": metrics}))
    (out / "faces.txt").write_text(str(metrics["AP"]))


NPU, HERE = "om by benchmark (rehearsal)", "onnxruntime"


def measured(folder, *values):
    found = Measured(folder / "outs", folder / "kept")
    for number, (command, backend, value) in enumerate(values):
        write(folder, f"out{number}", backend, {"AP": value, "other": number})
        found.look(command)
    return found


FACTS = read_facts(ROOT / "faceboxes")
POST, STREAMED = "python postprocess.py", "python evaluate.py --backend om"


def test_figures_of_all_routes_are_compared(tmp_path):
    same = ((POST, NPU, 0.5), (STREAMED, NPU, 0.5 + 1e-9), (POST, HERE, 0.5))
    found = measured(tmp_path, *same)
    found.look("cd there")  # measures nothing
    found.check(FACTS, lambda one, other: "")
    assert [line.split()[0] for line in found.table(FACTS).splitlines()] == [
        "route",
        "files",
        "streamed",
        "files",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ((POST, NPU, 0.5), (STREAMED, NPU, 0.4), (POST, HERE, 0.5)),
            "AP is not the same on all routes: 0.4, 0.5",
        ),
        (((POST, NPU, 0.5), (STREAMED, NPU, None), (POST, HERE, 0.5)), "AP is not the same on all routes"),
        (((POST, NPU, 0.5), (POST, HERE, 0.5)), "no command measured: streamed, the rehearsal's NPU"),
        (((POST, NPU, 0.5), (STREAMED, NPU, 0.5)), "no command measured: files, ONNX Runtime"),
    ],
)
def test_figures_that_differ_or_lack_are_refused(values, message, tmp_path):
    with pytest.raises(GuideError, match=message):
        measured(tmp_path, *values).check(FACTS, lambda one, other: "")


def test_predictions_that_differ_are_refused(tmp_path):
    def different(one, other):
        return "" if (one / "faces.txt").read_text() == (other / "faces.txt").read_text() else "other faces"

    found = measured(tmp_path, (POST, NPU, 0.5), (STREAMED, NPU, 0.5), ("python a.py", HERE, 0.5 + 1e-9))
    with pytest.raises(GuideError, match="`python postprocess.py` and `python a.py`: other faces"):
        found.check(FACTS, different)


def test_what_a_run_with_a_fault_measured_does_not_count(tmp_path):
    found = measured(tmp_path, (POST, NPU, 0.5))
    write(tmp_path, "out0", NPU, {"AP": 0.7})
    found.look(POST, keep=False)
    found.look(POST)
    assert [figure.metrics["AP"] for figure in found.figures] == [0.5]


def row(backend, *, rehearsal, **other):
    return {"backend": backend, "rehearsal": rehearsal, "ratios": {}, "outputs": {"ok": True}, **other}


CPUS, NPUS = row("onnxruntime", rehearsal=False), row("om", rehearsal=True)


@pytest.mark.parametrize(
    ("rows", "printed", "problem"),
    [
        ([CPUS, NPUS], "om (rehearsal)", ""),
        ([CPUS, NPUS], "om", "says that it is a rehearsal"),
        ([NPUS], "rehearsal", "expected rows of om and onnxruntime, found om"),
        ([], "rehearsal", "found none"),
        ([CPUS, row("om", rehearsal=False)], "rehearsal", "the row of om is not called a rehearsal's"),
        (
            [row("onnxruntime", rehearsal=True), NPUS],
            "rehearsal",
            "the row of onnxruntime is called a rehearsal's",
        ),
        (
            [CPUS, row("om", rehearsal=True, ratios={"310P": 1.0})],
            "rehearsal",
            "compared with documented ones",
        ),
        ([CPUS, row("om", rehearsal=True, outputs={"ok": False})], "rehearsal", "the outputs of om differ"),
    ],
)
def test_a_rehearsals_benchmark_never_passes_for_an_npus(rows, printed, problem):
    found = desk.wrong(rows, printed)
    assert found == "" if not problem else problem in found
