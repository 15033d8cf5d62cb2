"""Two machines beside each other, from what `--json` printed on the other."""

from __future__ import annotations

import json

import pytest

from ascend_tools.doctor import compare
from common.errors import GuideError


def check(name, status="ok", found="there", **details):
    return {"id": name, "title": f"title of {name}", "status": status, "found": found, "details": details}


def record(*checks, host="one", level="default", **more):
    return {"format": 1, "host": host, "level": level, "checks": list(checks), "models": [], **more}


def test_what_differs_stands_with_both_sides():
    here = record(check("npu.chips", found="4"), check("cpu.model"), check("cann.version", version="8.0"))
    there = record(check("npu.chips", "missing", "none"), check("cpu.model"), check("gpu.driver"), host="two")
    assert [each["id"] for each in compare.differences(here, there)] == [
        "npu.chips",
        "cann.version",
        "gpu.driver",
    ]
    assert list(compare.text(here, there)) == [
        "npu.chips  title of npu.chips",
        "  here (one)   ok  4",
        "  there (two)  missing  none",
        "cann.version  title of cann.version",
        "  here (one)   ok  there",
        "  there (two)  not looked at",
        "gpu.driver  title of gpu.driver",
        "  here (one)   not looked at",
        "  there (two)  ok  there",
        "3 of 4 lines differ",
    ]


def test_what_a_terminal_would_obey_is_left_out():
    lines = compare.text(record(check("a", found="1\x1b[31m")), record(check("a", found="2\a"), host="\x9bx"))
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"checks": [{**check("a"), "details": [1]}]}, "damaged: the details of check 0 are no object"),
        ({"checks": [check("a", free=float("nan"))]}, "not JSON: NaN is no number of JSON's"),
    ],
)
def test_a_record_that_is_damaged(tmp_path, change, words):
    (tmp_path / "there.json").write_text(json.dumps(record() | change))
    with pytest.raises(GuideError, match=words):
        compare.read(tmp_path / "there.json")


def test_a_cell_of_the_matrix_that_is_damaged_is_unknown():
    here = record(models=[{"model": "pcb", "ways": {"om": {"status": "ready"}}}])
    there = record(models=[{"model": "pcb", "ways": {"om": {"status": 3}}}])
    assert "  there (one)  ?" in compare.text(here, there)


def test_versions_that_the_words_do_not_show_are_told_and_what_passes_is_not():
    here = record(check("npu.chips", chips=[{"soc": "Ascend310", "temp_c": 50.0}], driver="24.1"))
    there = record(
        check("npu.chips", chips=[{"soc": "Ascend310", "temp_c": 60.0}], driver="23.0"), level="quick"
    )
    lines = list(compare.text(here, there))
    assert lines[0].startswith("note: here the level is default, there quick")
    assert '    driver: "24.1" here, "23.0" there' in lines
    assert not any("temp_c" in line or "chips: " in line for line in lines)
    assert list(compare.text(here, here)) == ["all 1 lines are the same"]


def test_cells_of_the_matrix_are_compared_by_their_status():
    ready, not_ready = ({"status": status, "next": "x"} for status in ("ready", "missing"))
    here = record(models=[{"model": "pcb", "ways": {"om": ready, "atc": ready}}])
    there = record(
        models=[{"model": "pcb", "ways": {"om": not_ready, "atc": {"status": "ready", "next": ""}}}]
    )
    (found,) = compare.differences(here, there)
    assert (found["id"], found["here"], found["there"]) == (
        "models.pcb.om",
        {"status": "ready"},
        {"status": "missing"},
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"\x80abc", "not JSON"),
        (b"[1]", "no record of the doctor's"),
        (b'{"checks": []}', "no record of the doctor's"),
        (b'{"format": 0, "checks": []}', "expected a record of format 1, found 0"),
        (b'{"format": 1, "host": 3, "level": "quick", "checks": []}', "damaged: 'host' is no text"),
        (b'{"format": 1, "host": "a", "level": "quick", "checks": [{"id": 1}]}', "damaged: check 0"),
        (
            b'{"format": 1, "host": "a", "level": "quick", "checks": [], "models": {"a": 1}}',
            "damaged: 'models' is no",
        ),
    ],
)
def test_what_is_no_record_is_one_message(tmp_path, content, says):
    (tmp_path / "other.json").write_bytes(content)
    with pytest.raises(GuideError, match=says) as error:
        compare.read(tmp_path / "other.json")
    assert str(error.value).startswith(str(tmp_path / "other.json"))
    assert "python -m ascend_tools.doctor --json > OTHER.json" in str(error.value)


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "other.json").open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(GuideError, match="has more than 16 MB"):
        compare.read(tmp_path / "other.json")


def test_a_record_that_a_shell_wrote_as_utf_16_is_read(tmp_path):
    (tmp_path / "other.json").write_bytes(json.dumps(record(check("cpu.model"))).encode("utf-16"))
    assert compare.read(tmp_path / "other.json")["host"] == "one"
