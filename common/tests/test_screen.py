"""screen.py: --quiet and --json, of what is printed by Python, by programs and by libraries, with and without an error."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from common import screen

COMMAND = """
import os, subprocess, sys
from common import cli, screen
from common.errors import GuideError

@cli.command
def main(argv=None):
    arguments = cli.parser("Print.")
    arguments.add_argument("way", nargs="*")
    print("before")
    options = screen.parse(arguments, argv)
    way = set(options.way)
    print("first")
    cli.announce("announced")
    os.write(1, b"a library\\n")
    subprocess.run(["sh", "-c", "echo a program; echo its error >&2"], check=True)
    sys.stdout.flush()
    if "C" in way:
        import ctypes
        ctypes.CDLL(None).puts(b"held back by the C library")
    if "figures" in way:
        screen.figures('{"AP": 1.0, "name": "\\xe9"}\\n')
    if "last" in way:
        screen.last("verdict: PASS")
        print("note", file=sys.stderr)
    else:
        print("done")
    if "error" in way:
        raise GuideError("it is broken.")
    if "bug" in way:
        raise ValueError("a bug")
    if "interrupt" in way:
        raise KeyboardInterrupt
    if "usage" in way:
        arguments.error("not both")
    return int("fail" in way)

raise SystemExit(main())
"""


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")

    def command(*words):
        done = subprocess.run([sys.executable, "-c", COMMAND, *words], capture_output=True, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return command


def test_without_the_flags_all_is_shown(run):
    code, out, err = run("last")
    assert code == 0
    assert [*out.splitlines()] == ["before", "first", "a library", "a program", "verdict: PASS"]
    assert err == "announced ...\nits error\nnote\n"


# What a program writes to stderr itself is its error, and stays.
@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (["last"], 0, "verdict: PASS\n", ""),
        (["last", "fail"], 1, "verdict: PASS\n", ""),
        ([], 0, "done\n", ""),
        (["C"], 0, "done\n", ""),
        (["last", "error"], 1, "verdict: PASS\n", "error: it is broken.\n"),
        (["error"], 1, "", "error: it is broken.\n"),  # the last line before an error is no result
    ],
)
def test_quiet_is_the_last_line_and_errors(run, words, code, out, err):
    assert run("--quiet", *words) == (code, f"before\n{out}", f"its error\n{err}")


@pytest.mark.parametrize("flag", ["--quiet", "--json"])
def test_bugs_and_wrong_usage_are_seen(run, flag):
    assert "ValueError: a bug" in run(flag, "bug")[2]
    code, out, err = run(flag, "interrupt", "figures")
    assert (code, out == "before\n") == (130, flag == "--quiet")
    assert "interrupted; what is complete stays" in err
    code, _, err = run(flag, "usage")
    assert code == 2
    assert "error: not both" in err


@pytest.mark.parametrize("more", [[], ["C"], ["fail"], ["error"], ["last"], ["last", "error"]])
def test_json_is_the_figures_and_nothing_else(run, more):
    code, out, err = run("--json", "figures", *more)
    assert json.loads(out.removeprefix("before\n")) == {"AP": 1.0, "name": "é"}
    assert code == bool({"fail", "error"} & {*more})
    for line in ("first", "announced ...", "a library", "a program", "its error"):
        assert f"{line}\n" in err
    assert ("held back by the C library" in err) == ("C" in more)
    assert ("error: it is broken." in err) == ("error" in more)


@pytest.mark.parametrize(("more", "code"), [([], 0), (["error"], 1)])
def test_json_without_figures_is_nothing(run, more, code):
    assert run("--json", *more)[:2] == (code, "before\n")


def test_what_is_kept_back_is_shown_once_it_fails(capsys):
    with screen.kept_back():
        print("well")
    assert capsys.readouterr().out == ""

    def fail():
        with screen.kept_back():
            print("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert capsys.readouterr().out == "half\n"


def test_a_reader_that_is_gone_ends_no_work(tmp_path):
    (tmp_path / "command.py").write_text(COMMAND)
    line = f'{{ "{sys.executable}" {tmp_path}/command.py --json figures; echo "status $?" >&2; }} | true'
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("status 0\n")


def test_both_at_once_are_wrong_usage(run):
    code, _, err = run("--quiet", "--json")
    assert code == 2
    assert "not allowed with" in err


def test_the_streams_are_as_before_for_the_next_command(capsys):
    from common import cli, screen

    @cli.command
    def main(argv=None):
        screen.parse(cli.parser("Print."), argv)
        print("one")
        print("two")
        return 0

    assert [main(["--quiet"]), main([]), main(["--json"])] == [0, 0, 0]
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("two\none\ntwo\n", "one\ntwo\n")
