"""cli.py and errors.py: messages, exit codes, argument types."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import importlib.metadata
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest

from common import atc, cli, infer, throughput
from common.errors import GuideError, about
from common.npu_files import input_list
from common.threads import cores
from tests.conftest import refused, wrong_usage

MISSING = FileNotFoundError(2, "No such file or directory", "lost.bin")
FULL = OSError(28, "No space left on device", "full.bin")


def raising(error):
    @cli.command
    def main(argv=None):
        """Do nothing.

        python nothing.py
        """
        raise error(argv) if isinstance(error, type) else error

    return main


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (GuideError("x.toml: 3 expected, 4 found."), "error: x.toml: 3 expected, 4 found.\n"),
        (MISSING, "error: lost.bin: No such file or directory\n"),
        (
            FULL,
            "error: full.bin: No space left on device; make room, and run the same command again, which goes on from there.\n",
        ),
        (OSError("it broke"), "error: it broke\n"),
        (
            RuntimeError("can't start new thread"),
            "error: no further thread can be started; raise the limits (ulimit -u and -v, a container's), or lower --workers.\n",
        ),
    ],
)
def test_a_failure_is_one_message_on_stderr_and_exit_code_1(capsys, error, message):
    assert raising(error)([]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", message)


def test_a_missing_package_is_named_with_the_environment_and_the_remedy(capsys):
    assert raising(ModuleNotFoundError("No module named 'torch'", name="torch"))([]) == 1
    message = capsys.readouterr().err
    assert "'torch' is not installed" in message
    assert sys.prefix in message
    assert "pip install -r requirements.txt" in message


def test_an_interruption_exits_with_130_and_says_how_to_go_on(capsys):
    assert raising(KeyboardInterrupt)([]) == 130
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError, KeyError, AssertionError, ZeroDivisionError, TypeError])
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(error):
        raising(error)([])


def test_the_wrapper_keeps_the_docstring_which_the_parser_shows_as_it_is_written(capsys):
    parser = cli.parser(raising(ValueError).__doc__, prog="nothing.py")
    with contextlib.suppress(SystemExit):
        parser.parse_args(["--help"])
    assert "usage: nothing.py" in (shown := capsys.readouterr().out)
    assert "\nDo nothing.\n\npython nothing.py\n" in shown
    assert cli.command(len)(["a", "b"]) == 2


@pytest.mark.parametrize("text", ["0", "-1", "", "1.0", "1e3", "two", "nan"])
def test_workers_are_a_whole_number_from_1(text, capsys):
    parser = cli.parser("")
    cli.add_workers(parser)
    for words, workers in (([], cores()), (["-j", "3"], 3), (["--workers", "016"], 16)):
        assert parser.parse_args(words).workers == workers
    with wrong_usage(capsys, f"expected a whole number of at least 1, got {text!r}"):
        parser.parse_args(["--workers", text])


STAGE = """
import sys, time
from common import cli
cli.DELAY = 0
total = int(sys.argv[1]) or None
for number in cli.progress(iter(range(4)), total, "stage", "pair"):
    time.sleep(0.2)  # longer than from one look of the bar to the next
"""


def on_terminal(*words, size=(24, 80)):
    """Run a command whose stderr is a terminal of so many rows and columns; return what that shows, and its stdout."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", *words], stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal ends
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0
    return shown.decode(), out


@pytest.mark.parametrize("size", [(24, 80), (0, 0), (24, 0)])  # some, as of a container, do not tell
def test_progress_shows_rate_and_remaining_time_on_a_terminal(size):
    shown, out = on_terminal(STAGE, "4", size=size)
    assert out == b""
    bars = shown.split("\r")
    assert any(
        re.search(r"stage:  50%.*2/4 \[\d\d:\d\d<\d\d:\d\d, .*(pair/s|s/pair)\]", bar) for bar in bars
    ), bars
    assert all(len(bar.rstrip("\n")) <= 80 for bar in bars)


def test_progress_without_a_total_shows_the_rate():
    shown, _ = on_terminal(STAGE, "0")
    assert re.search(r"stage: [1-4]pair \[\d\d:\d\d, .*(pair/s|s/pair)\]", shown)


@pytest.mark.parametrize("total", ["4", "0"])
def test_progress_is_silent_without_a_terminal(total, capsys):
    done = subprocess.run([sys.executable, "-c", STAGE, total], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert list(cli.progress(iter("abc"), int(total) or None, "letters")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_every_command_tells_its_version(capsys):
    for main in (atc.main, infer.main, throughput.main, input_list.main):
        with pytest.raises(SystemExit) as stop:
            main(["--version"])
        assert stop.value.code == 0
        version = importlib.metadata.version("ascend-guides-common")
        assert capsys.readouterr().out == f"ascend-guides-common {version}\n"


def test_a_library_that_is_no_installed_package_says_so(capsys, monkeypatch):
    def unknown(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", unknown)
    with pytest.raises(SystemExit):
        cli.parser("Nothing.").parse_args(["--version"])
    assert capsys.readouterr().out == "ascend-guides-common not installed as a package, of unknown version\n"


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d", "e"], "a, b, c and 2 more")],
)
def test_shorten_lists_three_names_and_counts_the_rest(names, text):
    assert cli.shorten(iter(names)) == text


def test_one_thing_is_not_many():
    assert [cli.counted(count, ".bin file") for count in (0, 1, 2)] == [
        "0 .bin files",
        "1 .bin file",
        "2 .bin files",
    ]


@pytest.mark.parametrize(("name", "said"), [("KeyboardInterrupt", False), ("ValueError", True)])
def test_an_interruption_while_modules_are_imported_is_told_in_one_line(name, said):
    words = [sys.executable, "-c", f"from common import cli; raise {name}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert ("Traceback" in done.stderr) == said
    assert said or done.stderr == "\ninterrupted; nothing was begun.\n"


def test_results_are_named_after_the_pictures_without_their_suffix():
    paths = [Path("b/two.png"), Path("one.tar.jpg")]
    assert list(cli.by_stem(iter(paths)).items()) == [("two", paths[0]), ("one.tar", paths[1])]
    assert cli.by_stem([]) == {}


def test_pictures_whose_results_would_have_the_same_name_are_refused():
    names = ["a.jpg", "b.jpg", "x/a.png", "c.jpg", "x/c.jpg", "a.bmp"]
    with refused("results are named after the pictures, but these names occur twice: a, c."):
        cli.by_stem(map(Path, names))


def test_about_begins_a_guide_error_with_its_subject_and_leaves_others_alone():
    with pytest.raises(GuideError, match=r"^a\.jpg: truncated$"), about("a.jpg"):
        raise GuideError("truncated")
    with pytest.raises(ValueError, match=r"^truncated$"), about("a.jpg"):
        raise ValueError("truncated")


@pytest.mark.parametrize("module", [atc, infer])
def test_help_names_the_program_and_says_what_it_does(module, capsys):
    with pytest.raises(SystemExit) as stop:
        module.main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: python -m {module.__name__} ")
    assert f"\n{module.main.__doc__.splitlines()[0]}\n" in shown


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "7", "-0.1", "1.0001", "x", "", "1,5"])
def test_a_number_outside_its_range_is_wrong_usage(text):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        cli.number(0, 1)(text)
    assert str(error.value) == f"expected a number from 0 to 1, got {text!r}"
    if text in ("nan", "inf", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a number of at least 1, got "):
            cli.number(1)(text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("1", 1), (".5", 0.5), ("1e-3", 0.001)])
def test_a_number_in_its_range_is_taken(text, value):
    assert cli.number(0, 1)(text) == value


def test_a_memory_that_does_not_suffice_is_told_in_one_message(capsys):
    assert cli.command(lambda _: np.empty(2**60, np.uint8))([]) == 1
    assert capsys.readouterr().err.startswith("error: the memory does not suffice: Unable to allocate")
