"""report/provenance.py: what figures were made of, and what is said where it cannot be told."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from common import files, process
from common.errors import GuideError
from common.report import provenance
from common.report.provenance import of_data, of_file, of_inputs, of_run, peak_memory, revision

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


@pytest.fixture
def folder(tmp_path):
    """A model directory in a repository of its own, committed."""
    folder = tmp_path / "repository" / "model"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text("one")
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=all"]):
        subprocess.run([*GIT, *words], cwd=folder.parent, check=True)
    return folder


def test_the_revision_is_gits_and_dirty_where_a_file_of_it_has_changed(folder):
    words = ["git", "rev-parse", "HEAD"]
    head = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    (folder / "output").mkdir()
    (folder / "output" / "new").write_text("not of the repository")
    assert revision(folder) == head
    subprocess.run([*GIT, "tag", "--annotate", "--message=v", "v1.0"], cwd=folder, check=True)
    assert revision(folder) == head
    (folder / "model.toml").write_text("two")
    assert revision(folder) == f"{head}-dirty"


def test_a_copy_in_another_repository_is_no_revision_of_that_one(folder):
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    assert revision(copy) is None


def test_without_a_repository_or_git_there_is_no_revision(folder, tmp_path, monkeypatch):
    (tmp_path / "alone").mkdir()
    assert revision(tmp_path / "alone") is None
    assert revision(tmp_path / "nosuch") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision(folder) is None


@pytest.mark.parametrize(
    "source",
    [
        "import time; time.sleep(60)",
        "print('who knows')",
        "raise SystemExit(128)",
        "print('warning: ' + 40 * 'a')",
    ],
)
def test_a_git_that_hangs_fails_or_talks_is_no_revision(source, folder, program, monkeypatch):
    program("git", source)
    monkeypatch.setattr(provenance, "GIT", 0.2 if "sleep" in source else 30)
    found = revision(folder)
    assert found is None or found == 40 * "a"


def test_git_is_asked_with_a_time_limit_and_changes_nothing(folder, monkeypatch):
    asked = []
    run = process.run
    monkeypatch.setattr(
        process,
        "run",
        lambda command, *more, **by_name: asked.append((command, by_name)) or run(command, *more, **by_name),
    )
    before = (folder.parent / ".git" / "index").read_bytes()
    (folder / "model.toml").touch()
    assert revision(folder)
    assert (folder.parent / ".git" / "index").read_bytes() == before
    assert all(by_name["seconds"] == provenance.GIT and by_name["capture"] for _, by_name in asked)


@pytest.fixture
def data(tmp_path):
    data = tmp_path / "data"
    for name, size in (("a.jpg", 3), ("more/b.jpg", 5), ("more/.hidden", 7), (".git/x", 1)):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(bytes(size))
    return data


def digest_of(*entries):
    lines = b"".join(b"%b\0%d\n" % entry for entry in entries)
    return hashlib.sha256(lines).hexdigest()


def test_a_data_set_is_told_by_names_and_sizes(data, tmp_path):
    found = of_data([data], tmp_path / "out")
    digest = digest_of((b"a.jpg", 3), (b"more/b.jpg", 5))
    assert found == {"places": [str(data)], "files": 2, "bytes": 8, "sha256 of names and sizes": digest}
    os.utime(data / "a.jpg", (0, 0))
    shutil.copytree(data, tmp_path / "copy")
    assert of_data([tmp_path / "copy"], tmp_path / "out") == {**found, "places": [str(tmp_path / "copy")]}
    (data / "a.jpg").write_bytes(bytes(4))
    other = of_data([data], tmp_path / "out")
    (data / "a.jpg").rename(data / "c.jpg")
    third = of_data([data], tmp_path / "out")
    assert len({each["sha256 of names and sizes"] for each in (found, other, third)}) == 3


def test_places_inside_one_another_links_and_circles_count_once(data, tmp_path):
    found = of_data([data], tmp_path / "out")
    (data / "again").symlink_to(data)
    (data / "other").symlink_to(data / "more")
    twice = of_data([data, data / "more"], tmp_path / "out")
    assert (twice["files"], twice["bytes"]) == (found["files"], found["bytes"])
    (data / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c.jpg").write_bytes(bytes(11))
    assert of_data([data], tmp_path / "out")["bytes"] == found["bytes"] + 11


def test_what_is_written_into_a_data_set_is_no_part_of_it(data, tmp_path):
    before = of_data([data], data / "out")
    (data / "out").mkdir()
    (data / "out" / "metrics.json").write_text("{}")
    assert of_data([data], data / "out") == before
    assert of_data([data / "out"], data / "out")["files"] == 1  # unless it is the data set


def test_one_file_is_a_data_set_and_names_need_not_be_utf_8(data, tmp_path):
    assert of_data([data / "a.jpg"], tmp_path)["sha256 of names and sizes"] == digest_of((b"a.jpg", 3))
    (data / os.fsdecode(b"\xff.jpg")).touch()
    (data / "lost.jpg").symlink_to(tmp_path / "nosuch")
    assert of_data([data], tmp_path / "out")["files"] == 4
    files.json_text(of_data([data / os.fsdecode(b"\xff.jpg")], tmp_path / "out"))


def test_what_cannot_be_looked_at_is_named_and_ends_nothing(data, tmp_path, monkeypatch):
    scandir = os.scandir

    def refusing(folder):
        if str(folder).endswith("more"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    found = of_data([data, tmp_path / "nosuch"], tmp_path / "out")
    assert (found["files"], found["sha256 of names and sizes"]) == (1, None)
    assert found["unreadable"] == (
        f"{data}/more: Permission denied, {tmp_path}/nosuch: No such file or directory"
    )


def test_a_directory_of_more_files_than_a_data_set_has_is_given_up(data, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "MOST", 1)
    found = of_data([data], tmp_path / "out")
    assert (found["files"], found["sha256 of names and sizes"]) == ("more than 1", None)


def test_a_file_is_told_by_its_hash_which_is_computed_once(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    counted, file_hash = [], files.file_hash
    monkeypatch.setattr(files, "file_hash", lambda *words: counted.append(words) or file_hash(*words))
    digest = hashlib.sha256(b"weights").hexdigest()
    assert of_file(path) == of_file(path) == {"file": str(path), "sha256": digest}
    assert len(counted) == 1
    assert of_file(path, "known") == {"file": str(path), "sha256": "known"}
    assert of_file(None) is None
    path.write_bytes(b"others, of another size")
    assert of_file(path)["sha256"] != digest
    assert len(counted) == 2


def test_a_file_that_changes_while_it_is_hashed_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    monkeypatch.setattr(files, "file_hash", lambda *_: path.write_bytes(b"longer weights") and "")
    with pytest.raises(GuideError, match="is being written to"):
        files.hash_once(path)


def test_a_run_is_told_by_command_directory_time_and_machine(tmp_path, monkeypatch):
    found = of_run()
    assert found["command"] == process.quote(["python", *sys.orig_argv[1:]])
    assert (found["directory"], found["host"]) == (str(Path.cwd()), socket.gethostname())
    then = dt.datetime.fromisoformat(found["date"])
    assert then.utcoffset() == dt.timedelta(0)
    assert found["cpu"]
    assert peak_memory() > 1
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert of_run()["directory"] is None


def test_inputs_are_the_code_the_data_set_and_what_else_is_known(folder, data, tmp_path):
    found = of_inputs(folder, [None, data], tmp_path / "out", chips=["Ascend310P3"])
    assert found == {
        "git": revision(folder),
        "dataset": of_data([data], tmp_path / "out"),
        "chips": ["Ascend310P3"],
    }
    assert of_inputs(tmp_path, [None], tmp_path)["dataset"] is None
