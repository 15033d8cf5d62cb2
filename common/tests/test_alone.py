"""alone.py: one run at a time in a directory, whatever becomes of the other one."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
import time

import pytest

from common import alone, cli

HOLDER = """
import sys
from pathlib import Path
from common import alone, cli

@cli.command
def main(argv):
    for folder in argv:
        alone.take(Path(folder))
    print("begun", flush=True)
    sys.stdin.readline()
    return 0

raise SystemExit(main(sys.argv[1:]))
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has a directory to itself until it gets a line, its standard input ends, or it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "out"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


@pytest.mark.parametrize("end", ["it ends", "it is killed"])
def test_a_run_waits_with_a_word_until_the_other_one_is_gone(tmp_path, holder, end, monkeypatch):
    out, done, told = tmp_path / "out", [], io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)

    def wait():
        with alone.alone(out):
            done.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    while "\n" not in told.getvalue():
        time.sleep(0.01)
    assert (
        told.getvalue()
        == f"{out}: another run (process {holder.pid}) is at work there; waiting for it to end\n"
    )
    assert not done
    if end == "it ends":
        holder.communicate("end\n")
    else:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    thread.join()
    assert done == [True]


def test_a_command_takes_a_directory_once_by_any_name_and_gives_it_back_at_its_end(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "link").symlink_to("out")

    @cli.command
    def inner(argv):
        alone.take(tmp_path / "link")
        return 0

    @cli.command
    def outer(argv):
        alone.take(tmp_path / "out")
        assert inner([]) == 0
        with alone.alone(tmp_path / "." / "out"):
            locks.append(locked(tmp_path / "out"))
        locks.append(locked(tmp_path / "out"))
        return 0

    locks = []
    assert outer([]) == 0
    locks.append(locked(tmp_path / "out"))
    assert locks == [True, True, False]
    assert capsys.readouterr() == ("", "")


def locked(folder):
    """Tell whether another process would have to wait."""
    source = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], 0), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    return (
        subprocess.run(
            [sys.executable, "-c", source, folder], stderr=subprocess.DEVNULL, check=False
        ).returncode
        != 0
    )


def test_without_a_command_nothing_is_taken(tmp_path):
    alone.take(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(alone.fcntl, "flock", unsupported)
    with alone.alone(tmp_path / "out"):
        assert (tmp_path / "out").is_dir()
