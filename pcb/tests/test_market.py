"""The data set: names, junk, distractors, suffixes, and trees that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from pcb_market import market
from tests.conftest import read_json


def rows(pictures):
    return [[p.path.name, p.person, p.camera] for p in pictures.values()]


def test_the_reference_set_is_read_as_the_original_reads_it(market_tiny, cases):
    stored = read_json(cases / "market_tiny" / "preprocess.json")["dataset"]
    data = market.read_market(market_tiny)
    assert rows(data.query) == stored["query"]
    assert rows(data.gallery) == stored["gallery"]
    assert [row[0] for row in rows(data.train)] == [row[0] for row in stored["train"]]
    printed = read_json(cases / "market_tiny" / "expected.json")["printed"]
    assert data.table() in printed


def test_junk_is_left_out_and_distractors_stay(data):
    people = [picture.person for picture in market.read_market(data).gallery.values()]
    assert people == [0, 1, 1, 2, 2, 7]


def test_both_parts_have_names_of_their_own(data):
    found = market.read_market(data)
    assert len(found.pictures) == len(found.query) + len(found.gallery) == 9
    assert list(found.pictures)[2:4] == ["query/0007_c1s1_000001_00", "gallery/0000_c1s1_000006_01"]
    assert found.pictures["query/0007_c1s1_000001_00"].path.name == "0007_c1s1_000001_00.jpg.jpg"


def make(folder, *names):
    for part in ("query", "bounding_box_test"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / part / name).touch()
    return folder


def test_names_go_up_to_the_first_dot(tmp_path):
    data = make(tmp_path, "0001_c1s1_01.jpg", "1488_c2s1_01.jpg.jpg", "0003_c3s1_01.big.v2.jpg")
    found = market.read_market(data).query
    assert list(found) == ["0001_c1s1_01", "0003_c3s1_01", "1488_c2s1_01"]


def test_pictures_whose_names_differ_only_after_a_dot_keep_apart(tmp_path):
    data = make(tmp_path, "0001_c1s1_01.jpg", "0001_c1s1_01.jpg.jpg", "0001_c1s1_01.old.jpg")
    assert list(market.read_market(data).query) == ["0001_c1s1_01", "0001_c1s1_01_jpg", "0001_c1s1_01_old"]


def test_names_that_cannot_be_told_apart_are_an_error(tmp_path):
    data = make(tmp_path, "0001_c1s1_01.a_b.jpg", "0001_c1s1_01.a.b.jpg")
    with pytest.raises(GuideError, match=r"its .bin file would have the name of another picture's"):
        market.read_market(data)


def test_other_files_and_hidden_ones_are_no_pictures(tmp_path):
    data = make(
        tmp_path, "0001_c1s1_01.jpg", "Thumbs.db", "0002_c1s1_01.png", ".0003_c1s1_01.jpg", "readme.txt"
    )
    assert len(market.read_market(data).gallery) == 1


@pytest.mark.parametrize("name", ["person.jpg", "0001.jpg", "c1s1_0001.jpg", "--_c1.jpg"])
def test_a_name_without_person_and_camera_is_an_error(name, tmp_path):
    with pytest.raises(GuideError, match=f"{name}: expected a name as 0001_c1s1"):
        market.read_market(make(tmp_path, name))


@given(person=st.integers(-1, 99999), camera=st.integers(1, 9), rest=st.text("_.abc019-", max_size=12))
def test_person_and_camera_are_read_from_any_name(tmp_path_factory, person, camera, rest):
    data = make(tmp_path_factory.mktemp("m"), f"{person:04d}_c{camera}s1_{rest}.jpg", "0001_c1s1_other.jpg")
    found = [(p.person, p.camera) for p in market.read_market(data).query.values()]
    assert ((person, camera - 1) in found) == (person != -1)


@pytest.mark.parametrize("part", ["query", "bounding_box_test"])
@pytest.mark.parametrize("how", ["missing", "empty", "junk"])
def test_an_incomplete_tree_is_shown_as_it_should_be(part, how, data):
    for path in (data / part).iterdir():
        path.unlink()
    if how == "missing":
        (data / part).rmdir()
    elif how == "junk":
        (data / part / "-1_c1s1_01.jpg").touch()
    with pytest.raises(GuideError, match=f"no picture in {data / part}; expected:\n  DIR/query/"):
        market.read_market(data)


def test_the_first_queries_keep_their_matches(data):
    found = market.read_market(data).first(1)
    assert list(found.query) == ["0001_c1s1_000001_00"]
    assert [p.person for p in found.gallery.values()] == [0, 1, 1]
    assert list(found.gallery) == sorted(found.gallery)
