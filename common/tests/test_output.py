"""output.py: any name can be printed, and what cannot be printed ends no work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMMAND = """
import sys
from pathlib import Path
from common import cli

@cli.command
def main(argv):
    for number in range(6000):
        print(f"{argv[1]}: line {number}", flush=number % 500 == 0)
    print(argv[1], file=sys.stderr)
    Path(argv[0]).write_text("done")
    return int(argv[2])

raise SystemExit(main(sys.argv[1:]))
"""


@pytest.fixture
def work(tmp_path):
    """Run a command in a shell that prints a name 6000 times and then writes a file; return exit status and stderr."""

    def run(shell, name="name", status=0, **environment):
        target = tmp_path / "done"
        words = [b"sh", b"-c", shell.encode(), sys.executable.encode(), b"-c", COMMAND.encode()]
        done = subprocess.run(
            [*words, os.fsencode(target), os.fsencode(name), str(status).encode()],
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        )
        assert target.read_text() == "done"
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize("status", [0, 1])
def test_a_reader_that_has_read_enough_ends_no_work_and_is_no_failure(work, status):
    shell = '{ "$0" "$@"; echo "status $?" >&2; } | head -1'
    _, out, err = work(shell, status=status)
    assert out == b"name: line 0\n"
    assert err == f"name\nstatus {status}\n".encode()


@pytest.mark.parametrize("status", [0, 1])
def test_a_full_device_ends_no_work_and_is_told(work, status):
    code, _, err = work('"$0" "$@" > /dev/full', status=status)
    assert code == 1
    assert (
        err == b"name\nerror: stdout: No space left on device; not all could be printed, all else is done\n"
    )


@pytest.mark.parametrize(
    "shell", ['"$0" "$@" >&-', '"$0" "$@" 2>&-', '"$0" "$@" >&- 2>&-', '"$0" "$@" 2> /dev/full']
)
def test_a_stream_that_is_closed_from_the_start_or_full_stderr_ends_no_work(work, shell):
    assert work(shell)[0] == 0


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"PYTHONUTF8": "1"}])
@pytest.mark.parametrize(("name", "printed"), [("\xfc", (b"\xc3\xbc", b"\\xfc")), (b"\xff", (b"\\udcff",))])
def test_any_name_can_be_printed_on_any_terminal(work, environment, name, printed):
    code, out, err = work('"$0" "$@"', os.fsdecode(name), **environment)
    assert code == 0
    assert err.removesuffix(b"\n") in printed
    assert out.startswith(err.removesuffix(b"\n") + b": line 0\n")
