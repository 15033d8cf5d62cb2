"""engine/store.py: killed at any moment, and several processes at one file."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from common.engine.store import Store
from common.errors import GuideError
from tests.conftest import refused

COMMON = """
import json, os, random, signal, sqlite3, sys, threading, time
from pathlib import Path
import numpy as np
from tqdm import tqdm
from common.engine import store as module
from common.engine.store import Store
from common.errors import GuideError

def quick(*words, **options):  # a process that is killed takes nothing along that it gave to the system
    database = connect(*words, **options)
    database.execute("PRAGMA synchronous = OFF")
    return database

connect, sqlite3.connect = sqlite3.connect, quick
tqdm.set_lock(threading.RLock())  # its own is shared with forked processes: one that is killed would keep it
tqdm.monitor_interval = 0
path = Path(sys.argv[1])
keys = [f"picture {n}" for n in range(100)]
sources = dict.fromkeys(keys, Path(sys.argv[2]))

def result(key):
    return np.random.default_rng(int(key.split()[1])).random((int(key.split()[1]) % 4, 5))

def opened(**run):
    return Store(path, run, sources)

def compute(store, batch_size, pause):
    def results():
        for key in store.missing():
            time.sleep(pause)
            yield key, result(key)
    store.keep(results(), batch_size)

def right(store):
    return all(found.tobytes() == result(key).tobytes() for key, found in store.read())
"""


def run(source, *words):
    script = COMMON + textwrap.dedent(source)
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)], stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def picture(tmp_path):
    (tmp_path / "a.jpg").write_text("picture")
    return tmp_path / "a.jpg"


def test_a_run_that_is_killed_at_any_moment_keeps_whole_batches_and_goes_on(tmp_path, picture):
    source = """
        module.INTERVAL = 0.001
        generator, stored, pause = random.Random(0), [], 0.0003
        while len(set(stored)) < 5:
            begun, begin = os.pipe()
            child = os.fork()
            if not child:
                with opened() as store:
                    os.write(begin, b"!")
                    compute(store, 3, pause)
                os._exit(0)
            os.close(begin)
            assert os.read(begun, 1), "the child ended before it began"
            os.close(begun)
            time.sleep(generator.uniform(0, 0.005 * len(stored)))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            with opened() as store:
                missing = list(store.missing())
                assert missing == keys[100 - len(missing):]
                stored.append(100 - len(missing))
            if not missing and len(set(stored)) < 5:  # the machine is busy: again, and slower
                path.unlink()
                stored.clear()
                pause *= 2
        with opened() as store:
            compute(store, 3, 0)
            assert right(store)
        print(json.dumps(stored))
    """
    with run(source, tmp_path / "store.sqlite", picture) as process:
        stored = json.loads(process.stdout.read() or "[]")
    assert process.returncode == 0
    assert stored == sorted(stored)
    assert all(count % 3 == 0 or count == 100 for count in stored)
    assert len(set(stored)) == 5


def test_processes_of_the_same_run_fill_one_file_from_its_very_beginning(tmp_path, picture):
    source = """
        def part(number):
            os.read(begin, 1)
            with opened() as store:
                store.keep(((key, result(key)) for key in keys[number::5]), 3)
            with opened() as store:
                compute(store, 3, 0.0001)
                return right(store)

        for attempt in range(5):
            path = path.with_name(f"{attempt}.sqlite")
            begin, go = os.pipe()
            children = []
            for number in range(5):
                children.append(os.fork())
                if not children[-1]:
                    os._exit(0 if part(number) else 1)
            os.write(go, b"!" * 5)
            assert [os.waitpid(child, 0)[1] for child in children] == [0] * 5
            with opened() as store:
                assert (list(store.missing()), store.forgotten) == ([], 0)
                assert right(store)
        print("whole")
    """
    with run(source, tmp_path / "store.sqlite", picture) as process:
        assert process.stdout.read() == "whole\n"
    assert process.returncode == 0


def test_a_run_of_other_settings_takes_the_file_and_the_first_is_told(tmp_path, picture):
    path, sources = tmp_path / "store.sqlite", {"picture 0": picture, "picture 1": picture}
    with Store(path, {"network": "first"}, sources) as first:
        first.keep([("picture 0", np.zeros(1))])
        with Store(path, {"network": "second"}, sources) as second:
            assert second.forgotten == 1
            with refused(
                f"{path}: another run with other settings has taken this file; give each its own --out."
            ):
                first.keep([("picture 1", np.zeros(1))])
            second.keep([(key, np.ones(1)) for key in sources])
            with pytest.raises(GuideError, match="holds no result for picture 0"):
                list(first.read())
            assert [array.tolist() for _, array in second.read()] == [[1.0], [1.0]]


def test_a_file_that_another_process_holds_for_too_long_is_named(tmp_path, picture, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda path, **options: connect(path, **{**options, "timeout": 0.01})
    )
    path = tmp_path / "store.sqlite"
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(GuideError, match="cannot be stored or read here: database is locked"):
        Store(path, {}, {})
    other.close()
    with Store(path, {}, {}) as store:
        assert store.missing() == {}
