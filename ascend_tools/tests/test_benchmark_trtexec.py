"""`trtexec` in the benchmark: the guide's line, a real batch, an engine that is built once."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from ascend_tools.benchmark import at_hand, rounds, trtexec
from ascend_tools.benchmark.inputs import prepare
from ascend_tools.benchmark.plan import Plan, own_modules
from ascend_tools.benchmark.trtexec import Trtexec
from ascend_tools.testing.tiny_directory import tiny_directory
from common.errors import GuideError
from common.facts import read_facts
from common.npu_tools.trtexec import parse

__all__ = ["tiny_directory"]


@pytest.fixture
def plan(tiny_directory, monkeypatch):
    """A plan for the tiny model directory, in which one stands."""

    def make(**options):
        folder = tiny_directory()
        monkeypatch.chdir(folder)
        given = {"batch_sizes": (1, 4), "rounds": 2, "seconds": 0.02, "workers": 2, "backends": ("trtexec",)}
        return Plan(folder, read_facts(folder), folder / "out", **{**given, **options})

    return make


@pytest.fixture
def tool(plan, tmp_path):
    """A `Trtexec` with prepared inputs."""

    def make(**options):
        chosen = plan(**options)
        return Trtexec(chosen, prepare(chosen, own_modules(chosen.folder), tmp_path / "in"), tmp_path)

    return make


@pytest.fixture
def quick(sourced, rehearsal_folder, program):
    """Put a trtexec on PATH that calls the stand-in for ten calls, and notes its words; `refused` are words it does not know."""

    def make(*refused):
        stand_in = rehearsal_folder / "bin" / "trtexec"
        program(
            "trtexec",
            "import os, sys\n"
            "words = sys.argv[1:]\n"
            "open('words', 'a').write(' '.join(words) + '\\n')\n"
            f"for word in {refused!r}:\n"
            "    if word in words:\n"
            "        print('[E] Unknown option: ' + word)\n"
            "        sys.exit(1)\n"
            f"os.execv({str(stand_in)!r}, ['trtexec', *words, '--duration=0', '--warmUp=0'])\n",
        )

    return make


def calls(folder):
    return [shlex.split(line) for line in (folder / "words").read_text().splitlines()]


def test_two_rounds(plan, quick, tmp_path):
    quick()
    chosen = plan()
    found = rounds.measure(chosen, at_hand.look(chosen))
    assert [(each.round, each.batch_size) for each in found.measured] == [(0, 1), (0, 4), (1, 1), (1, 4)]
    for each in found.measured:
        assert each.end_to_end is None
        assert each.pure.calls_ms == ()
        assert each.pure.count >= 10
        assert each.pure.images == each.pure.count * each.batch_size
        assert each.pure.seconds == pytest.approx(each.pure.count * each.pure.printed["mean"] / 1000)
        assert {"min", "max", "mean", "median", "p99"} <= {*each.pure.printed}
        assert each.pure.distinct == 1
    assert [(each.batch_size, each.ok) for each in found.outputs] == [(1, None), (4, None)]
    words = calls(tmp_path)
    assert [word.partition("=")[0] for word in words[0]] == [
        "--onnx", "--fp16", "--shapes", "--threads", "--saveEngine", "--loadInputs",
    ]  # fmt: skip
    assert words[1][2] == "--shapes=image:4x3x4x6"
    assert [word.partition("=")[0] for word in words[3]] == [
        "--loadEngine", "--shapes", "--threads", "--loadInputs",
    ]  # fmt: skip
    logs = sorted(path.name for path in (tmp_path / "out" / "trtexec").iterdir())
    assert logs == ["round1_bs1.log", "round1_bs4.log", "round2_bs1.log", "round2_bs4.log"]
    printed = (tmp_path / "out" / "trtexec" / "round2_bs4.log").read_text()
    assert parse(printed)[0].mean_ms == pytest.approx(found.measured[3].pure.printed["mean"])


def test_the_batch_is_a_real_one_as_the_network_takes_it(tool, quick, tmp_path):
    quick()
    tool().measure(tmp_path / "tiny.onnx", 4, 1)
    values = np.fromfile(tmp_path / "bs4.bin", np.float32).reshape(4, 3, 4, 6)
    pictures = np.stack([np.load(tmp_path / "out" / "sample" / f"picture_{k}.npy") for k in range(4)])
    np.testing.assert_array_equal(
        values, pictures.transpose(0, 3, 1, 2) - np.array([104, 117, 123]).reshape(3, 1, 1)
    )


def test_a_file_with_a_batch_size_of_its_own_takes_no_shapes(tool, quick, make_onnx, tmp_path):
    quick()
    assert tool().measure(make_onnx("two.onnx", batch=2), 2, 1).images % 2 == 0
    assert not any(word.startswith("--shapes") for word in calls(tmp_path)[0])


def test_a_version_without_threads(tool, quick, tmp_path):
    quick("--threads")
    one = tool()
    one.measure(tmp_path / "tiny.onnx", 1, 1)
    one.measure(tmp_path / "tiny.onnx", 4, 1)
    assert [("--threads" in words) for words in calls(tmp_path)] == [True, False, False]


def test_a_run_that_fails_is_told_with_its_words(tool, quick, tmp_path):
    quick("--fp16")
    with pytest.raises(GuideError, match=r"exit code 1: Unknown option: --fp16 \(.*round1_bs1.log\)"):
        tool().measure(tmp_path / "tiny.onnx", 1, 1)


def test_a_printout_without_figures_is_no_result(tool, program, tmp_path):
    program("trtexec", "print('&&&& PASSED TensorRT.trtexec [TensorRT v8401] # trtexec')\n")
    with pytest.raises(GuideError, match="expected the performance summary"):
        tool().measure(tmp_path / "tiny.onnx", 1, 1)


def test_a_run_that_fails_leaves_its_batch_size_out(plan, quick, tmp_path):
    quick("--shapes=image:4x3x4x6")
    chosen = plan()
    found = rounds.measure(chosen, at_hand.look(chosen))
    assert [each.batch_size for each in found.measured] == [1, 1]
    assert [(each.backend, each.batch_size) for each in found.left_out] == [("trtexec", 4)]


@pytest.mark.parametrize(
    ("name", "card"),
    [("Tesla T4", "T4"), ("NVIDIA T4", "T4"), ("NVIDIA A100-SXM4-40GB", "A100-SXM4-40GB"), ("", "GPU")],
)
def test_the_card(name, card, program):
    program("nvidia-smi", f"print({name!r})\n")
    assert trtexec.card() == card


def test_no_card(nothing_on_path):
    assert trtexec.card() == "GPU"


def test_the_guides_line(tool, quick, tmp_path):
    """The first words are those of the README's section 7, but for the file's name."""
    quick()
    tool().measure(tmp_path / "tiny.onnx", 4, 1)
    readme = (Path(__file__).parents[2] / "faceboxes" / "README.md").read_text(encoding="utf-8")
    line = re.search(r"^trtexec (--onnx=.*?) \|", readme, re.MULTILINE)
    names = [word.partition("=")[0] for word in line[1].split()]
    assert names == [word.partition("=")[0] for word in calls(tmp_path)[0][: len(names)]]
