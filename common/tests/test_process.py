"""process.py: running outside programs and showing their commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from common.process import quote, resolve, run
from tests.conftest import refused

TEXTS = st.text("ab=;:,./ \t\n'\"$`\\!*?#~&|<>()[]{}-\u00e9\u4e2d", max_size=12)
OPTIONS = st.builds("{}={}".format, st.from_regex(r"--?[a-z_]{1,8}", fullmatch=True), TEXTS)
COMMANDS = st.lists(TEXTS | OPTIONS, min_size=1, max_size=5)


@given(command=COMMANDS)
def test_a_quoted_command_is_split_into_the_same_words(command):
    assert shlex.split(quote(command)) == command


def test_a_shell_understands_a_quoted_command(tmp_path):
    words = [
        "--a=x;y",
        "--b=$HOME:`id`",
        '--c=it\'s: a "z"',
        "--d=!!;",
        "--e=*",
        "--f=",
        "a b",
        *("", "#", "~", "&"),
    ]
    script = ["/bin/sh", "-c", quote(["printf", r"%s\n", *words])]
    shown = subprocess.run(script, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert shown.stdout.split("\n")[:-1] == words


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("--framework=5", "--framework=5"),
        ("--input_shape=image:1,3,4,6", '--input_shape="image:1,3,4,6"'),
        ("--out_nodes=A_1:0;B_2:0", '--out_nodes="A_1:0;B_2:0"'),
        ("--model=my model.onnx", '--model="my model.onnx"'),
        ("my model.onnx", "'my model.onnx'"),
        ("--soc=$x;", "'--soc=$x;'"),
    ],
)
def test_option_values_are_quoted_as_the_guides_quote_them(word, shown):
    assert quote([word]) == shown


def test_a_program_is_shown_and_passed_on_line_by_line(program, capfd):
    program("tool", "import sys\nfor i in range(30):\n    print(i, *sys.argv[1:])\nsys.exit(3)\n")
    lines = "".join(f"{i} --a=b;c\n" for i in range(30))
    assert run(["tool", "--a=b;c"], "") == (3, lines)
    assert capfd.readouterr().out == '> tool --a="b;c"\n' + lines


def test_a_program_that_is_only_captured_prints_nothing(program, capfd):
    program("tool", "import sys\nprint('no driver', file=sys.stderr)\nsys.exit(7)\n")
    assert run(["tool"], "", capture=True) == (7, "no driver\n")
    assert capfd.readouterr().out == ""


def test_both_streams_in_any_encoding_and_a_last_line_without_end_are_kept(program):
    program("tool", "import os\nos.write(2, b'\\xd6\\xd0\\n')\nos.write(1, b'end')\n")
    assert run(["tool"], "") == (0, "\ufffd\ufffd\nend")


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_program_that_does_not_end_is_given_up_with_all_that_it_started(program):
    child = "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
    program("tool", f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {child!r}])\n")
    with pytest.raises(GuideError) as error:
        run(["tool", "a"], "Install it.", seconds=2, capture=True)
    words = (
        r"`tool a` has not ended after 2 seconds and was given up; its last words were:\n(\d+)\nInstall it."
    )
    pid = int(re.fullmatch(words, str(error.value))[1])
    end = time.monotonic() + 60
    while runs(pid) and time.monotonic() < end:  # it is told to end, and does so in its own time
        time.sleep(0.01)
    assert not runs(pid)


def test_a_program_does_not_wait_for_what_one_could_type(program):
    program("tool", "import sys\nprint(sys.stdin.read() == '')\n")
    assert run(["tool"], "", capture=True) == (0, "True\n")


@pytest.mark.usefixtures("nothing_on_path")
@pytest.mark.parametrize("start", [run, lambda command, remedy: resolve(command[0], remedy)])
def test_a_program_that_is_not_there_is_named_with_the_remedy(start):
    with refused("the program `tool` is not on PATH. Install it."):
        start(["tool", "info"], "Install it.")


def test_the_first_program_on_path_is_run(program):
    path = program("python3", "")
    assert resolve("python3", "") == str(path)
