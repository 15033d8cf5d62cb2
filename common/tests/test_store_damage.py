"""engine/store.py: a file that is damaged, none of ours, or cannot be written is one message, and never wrong results."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.engine import store as module
from common.engine.store import Store
from common.errors import GuideError
from tests.conftest import refused

pytestmark = pytest.mark.usefixtures("quick_sqlite")
RUN = {"network": "one"}
RESULTS = {f"picture {n}": np.random.default_rng(n).random((n % 5, 5), np.float32) for n in range(120)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "a.jpg").write_text("picture")
    return dict.fromkeys(RESULTS, tmp_path / "a.jpg")


@pytest.fixture
def whole(path, sources):
    """A complete store, and a copy of it."""
    with Store(path, RUN, sources) as store:
        store.keep(RESULTS.items())
    return shutil.copy(path, path.with_name("whole.sqlite"))


def finished(path, sources):
    """Open the store, compute what is missing, and read all; return the error's text, if there is one."""
    message = None
    try:
        with Store(path, RUN, sources) as store:
            store.keep((key, RESULTS[key]) for key in store.missing())
            found = dict(store.read())
    except GuideError as error:
        message = str(error)
    if message is not None:
        assert message.startswith(f"{path}: ")
        assert message.endswith("and run the same command again.")
        assert "\n" not in message
        return message
    assert found.keys() == RESULTS.keys()
    for key, array in RESULTS.items():
        np.testing.assert_array_equal(found[key], array)
    return None


def execute(path, *statements):
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def test_a_file_that_is_cut_off_anywhere_is_told_or_computed_again(path, sources, whole):
    content = whole.read_bytes()
    for size in {*range(0, len(content), 999), 1, 15, 16, 99, 100, 4095, 4096, 4097, len(content) - 1}:
        path.write_bytes(content[:size])
        message = finished(path, sources)
        assert message is None or size
        assert message or size < 512  # SQLite takes what is shorter than its smallest page for a new file


@given(
    position=st.integers(0, 10**9),
    noise=st.binary(min_size=1, max_size=40) | st.sampled_from([b"\0" * 4096, b"\xff" * 4096]),
)
def test_bytes_written_over_the_file_never_give_wrong_results(path, sources, whole, position, noise):
    content = whole.read_bytes()
    start = position % len(content)
    path.write_bytes((content[:start] + noise + content[start + len(noise) :])[: len(content)])
    finished(path, sources)


def test_single_bytes_changed_all_over_the_file_never_give_wrong_results(path, sources, whole):
    content = whole.read_bytes()
    generator = np.random.default_rng(0)
    for place, bit in zip(generator.integers(0, len(content), 60), generator.integers(0, 8, 60), strict=True):
        data = bytearray(content)
        data[place] ^= 1 << bit
        path.write_bytes(data)
        finished(path, sources)


@pytest.mark.parametrize(
    "content", [b"{}", b"\x89PNG\r\n\x1a\n" * 99, bytes(5000), b"SQLite format 3\0" * 300]
)
def test_another_kind_of_file_is_told_with_what_to_do(path, sources, content):
    path.write_bytes(content)
    message = finished(path, sources)
    assert "not a store of results, or damaged (" in message
    assert "; remove it, and run the same command again." in message
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "tables",
    [
        ["CREATE TABLE songs (name)"],
        ["CREATE TABLE run (settings)", "CREATE TABLE results (key, value)"],
        ["CREATE TABLE run (settings TEXT NOT NULL)", "CREATE VIEW results AS SELECT 1 AS key"],
    ],
)
def test_another_sqlite_database_is_refused_and_left_alone(path, sources, tables):
    execute(path, *tables)
    before = path.read_bytes()
    assert "not a store of results, or damaged (it has other tables); remove it" in finished(path, sources)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "more",
    [
        "CREATE TABLE more (x)",
        "CREATE TRIGGER t AFTER INSERT ON results BEGIN DELETE FROM results; END",
        "ALTER TABLE results ADD COLUMN more",
    ],
)
def test_a_store_with_more_in_it_than_a_store_has_is_refused(path, sources, whole, more):
    execute(path, more)
    assert "not a store of results, or damaged (it has other tables); remove it" in finished(path, sources)


def tamper(path, column, value, *, signed):
    with closing(sqlite3.connect(path)) as database, database:
        row = list(database.execute("SELECT * FROM results WHERE key = ?", (b"picture 3",)).fetchone())
        row[("key", "source", "dtype", "shape", "data").index(column)] = value
        if signed:
            parts = [part.encode() if isinstance(part, str) else part for part in row[:5]]
            row[5] = zlib.crc32(b"".join(parts))
        database.execute("DELETE FROM results WHERE key = ?", (b"picture 3",))
        database.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?)", row)


TAMPERED = {  # picture 3 is 3x5 float32, 60 bytes
    "shape": [
        "[5, 2]", "[-3, -5]", "[-1, 5]", "[3, 5.0]", "[15.0]", "[[3], 5]", "[[0], 1000000000]", '[1000000000, "a"]', "15",
        "{}", '{"3": 5}', "null", "NaN", "[NaN]", "", "[", "[" * 100000, f"[{10**30}, 0]", "[1000000000000, 5]", "[true, 15]",
        "[" + "1, " * 99 + "15]",
    ],
    "dtype": [
        "<f8", "O", "|O", "object", "", "<f3", "<V4", "f4", "i4,O", "<U999999999", "<U0", "(1000000000,)V0", "(2,)f4", "{}",
        "<M8[ns]", "é",
    ],
    "data": [b"", bytes(59), bytes(61), "x" * 60, RESULTS["picture 3"][::-1].tobytes()],
}  # fmt: skip
CASES = [(column, value) for column, values in TAMPERED.items() for value in values]


@pytest.mark.parametrize("signed", [False, True])
def test_a_result_that_was_tampered_with_is_told(path, sources, whole, signed):
    """Also with the right checksum; memory of the sizes that are claimed is never asked for."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (32 * 2**30, limits[1]))
    try:
        for column, value in CASES[: len(CASES) - signed]:  # the last one is a result as any other
            shutil.copy(whole, path)
            tamper(path, column, value, signed=signed)
            message = finished(path, sources)
            assert message is not None, (column, value)
            assert "damaged (a result is not what was written); remove it" in message
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("column", ["key", "source"])
def test_a_result_of_something_else_is_computed_again(path, sources, whole, column):
    tamper(path, column, b"picture" if column == "key" else "0" * 64, signed=True)
    assert finished(path, sources) is None


def test_a_result_that_the_index_has_lost_is_computed_again(tmp_path, sources):
    """In the table alone it could be counted as there, and never be found."""
    sources = dict(list(sources.items())[:9])
    whole, part = tmp_path / "whole.sqlite", tmp_path / "part.sqlite"
    for path in (whole, part):
        with Store(path, RUN, sources) as store:
            store.keep((key, RESULTS[key]) for key in sources)
    execute(part, "DELETE FROM results WHERE key = CAST('picture 3' AS BLOB)")
    with closing(sqlite3.connect(whole)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_results_1'"
        (page,) = database.execute(query).fetchone()
    index, content = slice((page - 1) * size, page * size), bytearray(whole.read_bytes())
    content[index] = part.read_bytes()[index]
    whole.write_bytes(content)
    with Store(whole, RUN, sources) as store:
        assert list(store.missing()) == ["picture 3"]
        store.keep([("picture 3", RESULTS["picture 3"])])
        assert list(dict(store.read())) == list(sources)


@pytest.mark.parametrize("settings", ["''", "'null'", "x'fffe'", "3.5"])
def test_settings_that_were_tampered_with_are_those_of_another_run(path, sources, whole, settings):
    execute(path, f"UPDATE run SET settings = {settings}")  # noqa: S608
    assert finished(path, sources) is None


def test_a_full_disk_is_told_and_what_was_stored_before_stays(path, sources, monkeypatch):
    """The largest number of pages stands for the disk's size: SQLite's error is the same."""
    monkeypatch.setattr(module, "INTERVAL", -1)
    connect = sqlite3.connect

    def small(*words, **options):
        database = connect(*words, **options)
        database.execute("PRAGMA max_page_count = 5")
        return database

    monkeypatch.setattr(sqlite3, "connect", small)
    with Store(path, RUN, sources) as store, pytest.raises(GuideError) as error:
        store.keep(RESULTS.items(), 4)
    monkeypatch.setattr(sqlite3, "connect", connect)
    assert str(error.value) == (
        f"{path}: the results cannot be stored or read here: database or disk is full. "
        "Make room, or choose another --out, and run the same command again."
    )
    with Store(path, RUN, sources) as store:
        stored = len(RESULTS) - len(store.missing())
        assert 0 < stored < len(RESULTS)
        assert stored % 4 == 0
    assert finished(path, sources) is None


LIMITED = """
import json, resource, sys
from pathlib import Path
import numpy as np
from common import cli
from common.engine import store as module
from common.engine.store import Store

module.INTERVAL = -1
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

@cli.command
def main(argv):
    path, picture = map(Path, sys.argv[1:])
    keys = [str(n) for n in range(500)]
    with Store(path, {}, dict.fromkeys(keys, picture)) as store:
        store.keep((key, np.zeros(50)) for key in keys)
    return 0

sys.exit(main())
"""


def test_a_file_that_may_not_grow_ends_the_command_with_one_message(path, sources):
    words = [sys.executable, "-c", LIMITED, str(path), str(sources["picture 0"])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {path}: the results cannot be stored or read here: ")
    assert done.stderr.count("\n") == 1


def test_a_directory_that_cannot_be_written_is_named(tmp_path, sources):
    (tmp_path / "folder.sqlite").mkdir()
    for path in (tmp_path / "folder.sqlite", tmp_path.joinpath("/proc/store.sqlite")):
        with refused(
            f"{path}: the results cannot be stored or read here: unable to open database file. Make room, or",
            whole=False,
        ):
            Store(path, RUN, sources)
    with pytest.raises(OSError, match="a.jpg"):
        Store(tmp_path / "a.jpg" / "store.sqlite", RUN, sources)


def test_a_file_that_may_only_be_read_is_named(path, sources, whole, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda path, **options: connect(f"file:{path}?mode=ro", uri=True, **options)
    )
    assert finished(path, sources) is None  # nothing is missing
    monkeypatch.setitem(RUN, "network", "two")
    message = finished(path, sources)
    assert "cannot be stored or read here: attempt to write a readonly database. Make room, or" in message
