"""summary.py: the performance summary as the benchmark tool writes it."""

from __future__ import annotations

import os

import pytest

from common.errors import GuideError
from common.npu_files.summary import Part, add_part, write_parts, write_pure, write_summary

SUMMARY = """\
-----------------Performance Summary------------------
[e2e] throughputRate: 10, latency: 1000
[data read] throughputRate: 100, moduleLatency: 10
[preprocess] throughputRate: 40, moduleLatency: 25
[infer] throughputRate: 20, Interface throughputRate: 40, moduleLatency: 50
[post] throughputRate: 6, moduleLatency: 166.667
-----------------------------------------------------------
"""


SECONDS = {"read": 0.1, "preprocess": 0.25, "infer": 0.25, "post": 0.5, "total": 1.0}


def test_the_summary_has_the_form_and_the_units_of_the_benchmark_tool(tmp_path):
    path = tmp_path / "new" / "perf.txt"
    assert write_summary(path, 10, 3, SECONDS) == SUMMARY
    assert path.read_text() == SUMMARY


@pytest.mark.parametrize(
    ("images", "batch_size", "post"),
    [
        (8, 4, "[post] throughputRate: 4, moduleLatency: 250"),
        (1, 64, "[post] throughputRate: 2, moduleLatency: 500"),
        (9, 1, "[post] throughputRate: 18, moduleLatency: 55.5556"),
    ],
)
def test_writing_is_counted_per_batch_the_last_one_included(tmp_path, images, batch_size, post):
    lines = write_parts(tmp_path / "perf.txt", [Part(images, batch_size, SECONDS)], images).splitlines()
    assert post in lines
    assert lines[1].startswith(f"[e2e] throughputRate: {images}, ")


def test_stages_too_short_for_the_clock_are_no_division_by_zero(tmp_path):
    text = write_summary(tmp_path / "perf.txt", 1, 1, dict.fromkeys(SECONDS, 0.0))
    assert "[e2e] throughputRate: 1e+09, latency: 0\n" in text


def test_parts_are_summed_and_the_summary_says_what_it_covers(tmp_path):
    path = tmp_path / "perf.txt"
    parts = [Part(6, 4, {**SECONDS, "infer": 0.05}), Part(4, 4, {**SECONDS, "infer": 0.15})]
    text = write_parts(path, parts, 12)
    assert text.startswith("-----")
    assert text.endswith("---\n[covers] inputs: 10, runs: 2, results there: 12\n")
    assert "[e2e] throughputRate: 5, latency: 2000\n" in text
    assert "Interface throughputRate: 50," in text
    assert "[post] throughputRate: 3, moduleLatency: 333.333\n" in text  # 2 + 1 batches
    assert path.read_text() == text
    assert "[covers]" not in write_parts(path, parts[:1], 6)
    assert "[covers]" in write_parts(path, parts[:1], 7)


RUN = {"model": "a", "format": "bin"}


def test_parts_of_one_run_and_batch_size_are_kept_together(tmp_path):
    record, first, other = tmp_path / "performance.json", Part(6, 4, SECONDS), Part(1, 8, SECONDS)
    assert add_part(record, RUN, first, goes_on=True) == [first]
    assert add_part(record, RUN, other, goes_on=True) == [other]
    assert add_part(record, RUN, first, goes_on=True) == [first, first]
    assert add_part(record, {**RUN, "model": "b"}, first, goes_on=True) == [first]
    assert add_part(record, {**RUN, "model": "b"}, first, goes_on=False) == [first]


@pytest.mark.parametrize(
    "damage",
    [
        *("", "[]", "null", "{", "[" * 10**5, '{"run": 1}', '{"run": {}, "parts": {}}', "\x00"),
        '{"run": {"model": "a", "format": "bin"}, "parts": [{"inputs": 0, "batch_size": 1, "seconds": {}}]}',
        '{"run": {"model": "a", "format": "bin"}, "parts": [{"inputs": 1, "batch_size": 4, "seconds": {"read": 1}}]}',
        '{"run": {"model": "a", "format": "bin"}, "parts": [{"inputs": 1e999, "batch_size": 4, "seconds": {}}]}',
    ],
)
def test_a_record_that_is_none_is_begun_anew(tmp_path, damage):
    record, part = tmp_path / "performance.json", Part(6, 4, SECONDS)
    record.write_text(damage)
    assert add_part(record, RUN, part, goes_on=True) == [part]
    assert add_part(record, RUN, part, goes_on=True) == [part, part]


def test_a_record_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(GuideError, match="pipe: exists and is not a regular file"):
        add_part(tmp_path / "pipe", {}, Part(1, 1, SECONDS), goes_on=True)


def test_pure_inference_is_summed_up_as_the_benchmark_tool_does_it_per_image(tmp_path):
    path = tmp_path / "new" / "pure.txt"
    seconds = [0.02, 0.01, 0.03, 0.02]
    assert write_pure(path, 16, seconds, "tiny.onnx, onnxruntime") == path.read_text()
    assert path.read_text().splitlines() == [
        "-----------------PureInfer Performance Summary------------------",
        "[INFO] ave_throughputRate: 800samples/s, ave_latency: 1.25ms",
        "----------------------------------------------------------------",
        "[batch] size: 16, runs: 4, seconds: mean 0.02, median 0.02, min 0.01, max 0.03, 99 % 0.0297",
        "[model] tiny.onnx, onnxruntime",
    ]
