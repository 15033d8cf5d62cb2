"""engine/store.py: results by key, which go on where they were interrupted and are never those of something else."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from common.engine import store as module
from common.engine.settings import code_hash
from common.engine.store import Store
from common.engine.task import Task
from common.errors import GuideError

pytestmark = pytest.mark.usefixtures("quick_sqlite")
RUN = {"network": "one", "batch size": "2"}


@pytest.fixture
def sources(tmp_path):
    """Five files by key, which hold their key."""
    found = {key: tmp_path / f"{key}.jpg" for key in "abcde"}
    for key, path in found.items():
        path.write_text(key)
    return found


@pytest.fixture
def opened(tmp_path, sources):
    def open_store(run=RUN, sources=sources):
        return Store(tmp_path / "output" / "store.sqlite", run, sources)

    return open_store


def result(key):
    return np.array([ord(key), len(key)], np.float32)


def results(keys):
    return ((key, result(key)) for key in keys)


def read(store):
    return {key: array.tolist() for key, array in store.read()}


def expected(keys):
    return {key: result(key).tolist() for key in keys}


def test_everything_is_missing_at_first_and_nothing_afterwards(opened, sources):
    with opened() as store:
        assert (store.missing(), store.forgotten, store.changed) == (sources, 0, 0)
        store.keep(results("abcde"))
        assert read(store) == expected("abcde")
    with opened() as store:
        assert (store.missing(), store.forgotten, store.changed) == ({}, 0, 0)
        assert list(read(store)) == list("abcde")


DTYPES = (
    arrays.boolean_dtypes()
    | arrays.integer_dtypes()
    | arrays.unsigned_integer_dtypes()
    | arrays.floating_dtypes()
    | arrays.complex_number_dtypes()
    | arrays.byte_string_dtypes()
    | arrays.unicode_string_dtypes()
)


@given(
    array=arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)),
    order=st.sampled_from("CF"),
)
def test_an_array_of_any_type_and_shape_comes_back_as_it_was(opened, array, order):
    array = np.asarray(array, order=order)
    with opened() as store:
        store.keep([("a", array), ("b", array[..., ::-1] if array.ndim else array)])
        found = next(store.read())[1]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("shape", [(), (0, 5), (0,), (3, 0, 2)])
def test_results_without_a_number_or_an_axis_come_back(opened, sources, shape):
    with opened(sources={"a": sources["a"]}) as store:
        store.keep([("a", np.ones(shape, np.float32))])
        ((_, found),) = store.read()
    assert (found.dtype, found.shape) == (np.float32, shape)
    np.testing.assert_array_equal(found, np.ones(shape))


@pytest.mark.parametrize("array", [np.array([{}]), np.zeros(2, "f4,i4"), np.zeros(1, "M8[s]")])
def test_an_array_that_bytes_do_not_say_whole_is_a_mistake(opened, array):
    with opened() as store, pytest.raises(TypeError, match="a: an array of .* cannot be stored"):
        store.keep([("a", array)])


@given(
    key=st.text(min_size=1, max_size=9)
    | st.sampled_from(["'; DROP TABLE run", "a\0b", "\udcff", "é", "e\u0301"])
)
def test_a_key_of_any_characters_finds_its_result(tmp_path, sources, key):
    with Store(tmp_path / "odd.sqlite", RUN, {key: sources["a"], f"{key}2": sources["b"]}) as store:
        store.keep([(key, result("a")), (f"{key}2", result("b"))])
    with Store(tmp_path / "odd.sqlite", RUN, {f"{key}2": sources["b"], key: sources["a"]}) as store:
        assert store.missing() == {}
        assert [(k, array.tolist()) for k, array in store.read()] == [
            (f"{key}2", result("b").tolist()),
            (key, result("a").tolist()),
        ]


def test_settings_are_compared_whatever_their_order(opened):
    with opened() as store:
        store.keep(results("abcde"))
    with opened(dict(reversed(RUN.items()))) as store:
        assert store.missing() == {}


@pytest.mark.parametrize("change", [{"network": "two"}, {"precision": "float16"}, {"network": None}])
def test_results_of_another_run_are_forgotten_and_counted(opened, sources, change):
    with opened() as store:
        store.keep(results("abc"))
    with opened({**RUN, **change}) as store:
        assert store.forgotten == 3
        assert store.missing() == sources
        store.keep(results("abcde"))
    with opened({**RUN, **change}) as store:
        assert (store.forgotten, store.missing()) == (0, {})


def test_a_changed_file_is_missing_again_and_counted(opened, sources):
    with opened() as store:
        store.keep(results("abcde"))
    sources["b"].write_text("new")
    sources["d"].rename(sources["b"].with_name("moved"))
    sources["d"].write_text("d")  # another file with the same content
    sources["a"].touch()
    os.utime(sources["c"], ns=(10**18, 10**18))
    with opened() as store:
        assert (store.missing(), store.changed) == ({"b": sources["b"]}, 1)
        store.keep([("b", result("x"))])
    with opened() as store:
        assert (store.missing(), store.changed) == ({}, 0)
        assert read(store) == {**expected("abcde"), "b": result("x").tolist()}


def test_a_deleted_file_is_missing_so_that_who_reads_it_says_so(opened, sources):
    with opened() as store:
        store.keep(results("abcde"))
    sources["c"].unlink()
    for _ in range(2):
        with opened() as store:
            assert store.missing() == {"c": sources["c"]}
            store.keep(results("c"))  # computed from a copy that was read before


def test_a_file_that_is_written_while_it_is_computed_is_computed_again(opened, sources):
    """Its result may be of what was there before; the hash, taken afterwards, would be of what is there now."""
    with opened() as store:
        time.sleep(0.05)  # the clocks of file systems are coarse
        sources["b"].write_text("new")
        store.keep(results("abcde"))
    with opened() as store:
        assert store.missing() == {"b": sources["b"]}


def test_parts_that_come_from_elsewhere_join_by_key(opened, sources):
    parts = [{key: sources[key] for key in keys} for keys in ("db", "a", "ec")]
    for part in parts:
        with opened(sources=part) as store:
            assert store.missing() == part
            store.keep(results(reversed(part)), 16)
            assert read(store) == expected(part)
    with opened() as store:
        assert store.missing() == {}
        assert list(read(store).items()) == list(expected("abcde").items())
    with opened(sources=parts[0]) as store:
        assert read(store) == expected("db")


def test_a_result_that_is_not_there_is_named(opened):
    with opened() as store:
        store.keep(results("ab"))
        with pytest.raises(GuideError) as error:
            read(store)
    assert str(error.value) == f"{store.path}: holds no result for c; run the same command again."


@pytest.mark.parametrize("error", [GuideError("d: damaged."), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize(("batch_size", "kept"), [(1, "abc"), (2, "ab"), (3, "abc"), (4, "")])
def test_an_error_leaves_all_whole_batches_before_it(opened, sources, batch_size, kept, error):
    def interrupted():
        yield from results("abc")
        raise error

    with opened() as store, pytest.raises(type(error)):
        store.keep(interrupted(), batch_size)
    with opened() as store:
        assert store.missing() == {key: path for key, path in sources.items() if key not in kept}


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_what_came_is_written_from_time_to_time_in_whole_batches(opened, monkeypatch, batch_size):
    monkeypatch.setattr(module, "INTERVAL", -1)
    stored = []

    def coming():
        for item in results("abcde"):
            end, written = time.monotonic() + 20, len(stored) // batch_size * batch_size
            while 5 - len(other.missing()) < written:  # it is written while the rest is still to come
                assert time.monotonic() < end
            stored.append(5 - len(other.missing()))
            yield item

    with opened() as store, opened() as other:
        store.keep(coming(), batch_size)
        assert other.missing() == {}
    assert stored == [done // batch_size * batch_size for done in range(5)]


def test_the_code_of_a_task_is_its_package(tmp_path):
    def task_of(folder):
        namespace = {}
        exec(compile("def finish(outputs, context): ...", str(folder / "task.py"), "exec"), namespace)  # noqa: S102
        return Task(lambda source: ({}, None), namespace["finish"])

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "task.py").write_text("prepare")
        (tmp_path / name / "metric.py").write_text("score")
    first, second = (code_hash(task_of(tmp_path / name)) for name in ("one", "two"))
    assert first == second
    (tmp_path / "two" / "metric.py").write_text("other score")
    assert code_hash(task_of(tmp_path / "two")) != first


def test_the_results_of_another_version_of_the_program_are_forgotten(opened, sources):
    with opened() as store:
        store.keep(results(sources))
    with closing(sqlite3.connect(store.path)) as database, database:
        database.execute("PRAGMA user_version = 7")
        database.execute("ALTER TABLE results ADD COLUMN more")
    with opened() as store:
        assert store.missing() == sources


@dataclass(frozen=True)
class Annotated:
    path: Path
    width: int


def test_a_changed_annotation_is_noticed_and_two_sources_may_share_a_file(opened, sources):
    before, after = ({key: Annotated(sources["a"], width) for key in "ab"} for width in (10, 11))
    after["b"] = before["b"]
    with opened(sources=before) as store:
        store.keep(results("ab"))
        assert not store.missing()
    with opened(sources=after) as store:
        assert (store.missing(), store.changed) == ({"a": after["a"]}, 1)
