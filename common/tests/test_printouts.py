"""printouts.py: what the readers of tools' printouts share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.npu_tools.printouts import decode, failures, lines, number, telling, unusable

LINE = "[INFO] throughput: 12.5"


@pytest.mark.parametrize(
    "data",
    [
        LINE.encode(),
        b"\xef\xbb\xbf" + LINE.encode(),
        LINE.encode("utf-16"),
        LINE.encode("utf-16-le"),
        LINE.encode("utf-16-be"),
        b"\xfe\xff" + LINE.encode("utf-16-be"),
    ],
)
def test_a_text_is_read_in_the_encodings_of_linux_and_windows(data):
    assert [*lines(decode(data))] == [LINE]


def test_what_is_no_text_is_decoded_anyway():
    assert decode(b"\xff\xfe\n[INFO]").endswith("\n[INFO]")
    assert decode(b"") == ""
    assert decode(b"\0\0\0") == "\0\0\0"


@pytest.mark.parametrize(
    "raw",
    [
        f"\x1b[32m{LINE}\x1b[0m",
        f"> > {LINE}",
        f"\x1b]0;a title\x07{LINE}",
        "[INFO]\t throughput:\u00a0 12.5",
        "\uff3bINFO\uff3d throughput\uff1a 12.5",
        f"99%|####| 9/10\r{LINE}\r\n",
        f"\0{LINE}",
    ],
)
def test_a_line_is_read_without_its_decoration(raw):
    assert [*lines(raw)][-1] == LINE


def test_a_wide_comma_is_none_of_a_number():
    assert [*lines("throughputRate: 81.5\uff0c81.5x4=326")] == ["throughputRate: 81.5, 81.5x4=326"]
    assert unusable("Interface throughputRate: 81.5\uff0c81.5x4=326") is None
    assert unusable("Interface throughputRate: 81,5") == "throughputRate: 81,5"


def test_half_a_number_at_the_end_of_a_cut_line_is_left_out():
    (line,) = lines("x" * 4090 + " 123456789")
    assert line == "x" * 4090
    assert len(next(lines("x" * 10**6))) == 4096


@given(st.text(), st.text("\n\r 1a:"))
def test_any_text_has_lines_without_spaces_at_their_ends(text, more):
    for line in lines(text + more):
        assert line == line.strip()
        assert "\n" not in line


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        "&&&& FAILED TensorRT.trtexec",
        "EZ9999: Inner Error!",
        "[02/03/2024-04:05:06] [E] Engine set up failed",
        "Segmentation fault (core dumped)",
        "[I] min: 1.5 ms",
        "| Metric | min |",
        "[post] throughputRate: 3",
        "Inference time: 3ms",
        "12 inputs in 3.0 s",
        "i:0 device_1 throughput:5 start_time:1",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_telling_lines_are_kept_and_others_are_not(line, end):
    noise = f"[V] [TRT] Tactic: 0x9c Time: 0.02{end}"
    assert telling(noise * 3 + line + end + noise).splitlines() == [line]
    assert telling(noise) == ""


@given(st.text())
def test_no_failure_is_lost_with_the_lines_that_tell_nothing(text):
    assert failures(telling(text)) == failures(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("12.5", 12.5), (" 1e3 ", 1000), ("1e999", None), ("nan", None), ("1.2.3", None), ("", None)],
)
def test_a_number_is_finite_or_none(text, value):
    assert number(text) == value
