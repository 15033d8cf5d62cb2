"""cluster: what is decided before any worker is there: parts of items, places of workers, pictures that are sent, errors."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backends.deployed import Runtime
from common.backends.providers import CUDA
from common.cluster import parts, pictures, ship
from common.cluster.parts import IN_HAND, LARGEST, cut
from common.cluster.places import CORES, GPU, NPU, Node, deal, kind_of
from common.errors import GuideError
from common.report.versions import installed
from tests.conftest import refused

counts = st.integers(0, 2000)
sizes = st.integers(1, 300)
some = st.integers(1, 9)


def of(count, batch_size, members=2, known=True, sent=lambda _: 0):
    pairs = ((str(number), number) for number in range(count))
    return list(cut(pairs, count if known else None, batch_size, lambda: members, sent))


@given(counts, sizes, some, st.booleans())
def test_each_item_is_in_one_part_in_order_in_whole_batches(count, batch_size, members, known):
    found = of(count, batch_size, members, known)
    assert [item for part in found for item in part.left.values()] == list(range(count))
    assert [part.number for part in found] == list(range(len(found)))
    lengths = [len(part.left) for part in found]
    assert all(length % batch_size == 0 for length in lengths[:-1])
    assert all(0 < length <= max(LARGEST, batch_size) for length in lengths)


@given(st.integers(1, 2000), some, some)
def test_parts_shrink_towards_a_known_end(count, batch_size, members):
    lengths = [len(part.left) for part in of(count, batch_size, members)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] <= max(batch_size, math.ceil(count / (2 * IN_HAND * members)))
    assert lengths[-1] <= batch_size


@given(some, some)
def test_without_a_known_end_all_workers_have_some_at_once(batch_size, members):
    lengths = [len(part.left) for part in of(10_000, batch_size, members, known=False)]
    first = IN_HAND * members
    assert lengths[:first] == [batch_size] * first
    assert lengths[:-1] == sorted(lengths[:-1])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), some)
def test_a_part_has_no_more_bytes_than_are_sent_at_once_and_a_batch(weights, batch_size):
    pairs = ((str(number), weight) for number, weight in enumerate(weights))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "SENT", 100)
        found = [[*part.left.values()] for part in cut(pairs, None, batch_size, lambda: 1, int)]
    assert [*itertools.chain(*found)] == weights
    assert all(sum(part[:-batch_size]) < 100 for part in found)


def test_parts_follow_the_number_of_workers_that_are_there():
    there = [1]
    found = cut(((str(n), n) for n in range(1000)), 1000, 1, lambda: there[0], lambda _: 0)
    assert len(next(found).left) == 1000 // (2 * parts.IN_HAND)
    there[0] = 0  # all are lost for a moment
    assert len(next(found).left) == 750 // (2 * parts.IN_HAND)


def nodes(*counted):
    return [Node(f"id{n}", f"10.0.0.{n}", resources) for n, resources in enumerate(counted)]


resources = st.lists(
    st.fixed_dictionaries(
        {}, optional={CORES: st.integers(0, 8).map(float), NPU: st.integers(0, 4).map(float)}
    ),
    max_size=5,
)
devices = st.lists(st.integers(0, 15), max_size=5, unique=True)


@given(resources, st.sampled_from([CORES, NPU, GPU]), devices, st.none() | st.integers(1, 20))
def test_no_machine_has_more_workers_than_devices_and_all_have_as_many(found, kind, devices, actors):
    cluster = nodes(*found)
    devices = devices if kind == NPU else []
    try:
        places = deal(cluster, kind, devices, actors)
    except GuideError as error:
        there = sum(int(each.get(kind, 0)) for each in found)
        assert not there or actors or devices
        assert "the cluster has not " in str(error)  # noqa: PT017  either is right
        return
    assert len(places) == (actors or len(places)) > 0
    for node in cluster:
        mine = [place for place in places if place.node is node]
        counted = int(node.resources.get(kind, 0))
        if devices:
            assert [place.device for place in mine] == devices[: len(mine)]
            assert sum(place.claims.get("resources", {}).get(NPU, 0) for place in mine) <= counted
        else:
            assert len(mine) <= counted
            assert all(place.device is None for place in mine)
        if mine:
            cores = max(1, int(node.resources.get(CORES, 1)))
            assert all(1 <= place.cores <= cores for place in mine)
        if kind == CORES:
            assert sum(place.claims["num_cpus"] for place in mine) <= counted
    turns = [place.node.id for place in places]
    per_node = {node.id: turns.count(node.id) for node in cluster}
    free = [node for node in cluster if not devices and per_node[node.id] < int(node.resources.get(kind, 0))]
    assert all(per_node[node.id] >= max(per_node.values()) - 1 for node in free) or actors is None


def test_on_cpus_each_machine_has_one_worker_with_all_its_cores():
    places = deal(nodes({CORES: 8.0}, {}, {CORES: 2.0}), CORES, (), None)
    assert [(place.node.id, place.cores) for place in places] == [("id0", 8), ("id2", 2)]


def test_more_actors_than_there_are_devices_is_told():
    with refused("the cluster has not 3 of the resource CPU but 2 (10.0.0.0 1, 10.0.0.1 1). Lower --actors."):
        deal(nodes({CORES: 1.0}, {CORES: 1.0}), CORES, (), 3)
    with refused(
        "the cluster has not 1 of the resource GPU but 0 (10.0.0.0 0). Ray counts NVIDIA's", whole=False
    ):
        deal(nodes({CORES: 1.0}), GPU, (), None)


@pytest.mark.parametrize(
    ("runtime", "is_om", "kind"),
    [(Runtime(), False, CORES), (Runtime(), True, NPU), (Runtime(provider=CUDA), False, GPU)],
)
def test_what_a_network_runs_on_follows_from_its_backend(runtime, is_om, kind):
    assert kind_of(runtime, is_om) == kind


@given(st.dictionaries(st.sampled_from(["a.jpg", "b.png", "ä ö"]), st.binary(max_size=20)))
def test_pictures_that_are_sent_are_the_same_where_they_arrive(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("pictures")
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    sources = {f"key of {name}": folder / name for name in contents}
    files = pictures.read(sources.values())
    with pictures.unpacked(sources, files) as (there, _):
        assert {key: path.read_bytes() for key, path in there.items()} == {
            key: path.read_bytes() for key, path in sources.items()
        }
        assert all(path.name == sources[key].name and path != sources[key] for key, path in there.items())
    assert not any(path.exists() for path in there.values())


def test_an_error_names_a_sent_picture_as_it_is_called_where_it_comes_from():
    path = Path("/pictures/a.jpg")
    with (
        refused("a: /pictures/a.jpg: damaged."),
        pictures.unpacked({"a": path}, {path: b""}) as (there, named),
    ):
        assert named(f"about {there['a']}") == "about /pictures/a.jpg"
        raise GuideError(f"a: {there['a']}: damaged.")


@pytest.mark.parametrize(
    ("others", "lacking"),
    [
        ({}, False),
        ({"tqdm": "0.1"}, False),
        ({"tqdm": None}, True),
        ({"numpy": "0.1"}, True),
        ({"onnx": None}, True),
    ],
)
def test_packages_are_sent_where_one_is_missing_or_results_depend_on_its_version(tmp_path, others, lacking):
    (tmp_path / "requirements.txt").write_text("# What it needs.\nnumpy>=1.24\nonnxruntime>=1.16\n")
    pins = ship.pins(tmp_path, "requirements")
    there = installed(ship.package_names(pins)) | others
    assert {"numpy", "onnxruntime", "onnx", "tqdm"} <= set(there)
    assert ship.lacks({name: version for name, version in there.items() if version}, pins) == lacking
