"""perf.py: the performance summary as the benchmark tool writes it."""

from __future__ import annotations

import pytest

from common.npu_files.summary import write_summary

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
    assert write_summary(path, 10, 4, SECONDS) == SUMMARY
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
    lines = write_summary(tmp_path / "perf.txt", images, batch_size, SECONDS).splitlines()
    assert post in lines
    assert lines[1].startswith(f"[e2e] throughputRate: {images}, ")


def test_stages_too_short_for_the_clock_are_no_division_by_zero(tmp_path):
    text = write_summary(tmp_path / "perf.txt", 1, 1, dict.fromkeys(SECONDS, 0.0))
    assert "[e2e] throughputRate: 1e+09, latency: 0\n" in text
