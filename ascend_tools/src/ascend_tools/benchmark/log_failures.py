"""What a printout says of a failure, and whose printout it is where it has no figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ascend_tools.benchmark.log_runs import Run
from common.cli import shorten
from common.npu_tools import ais_failure, msame, trtexec
from common.npu_tools.printouts import failures

# Words that only one tool prints, or its command line; the first that is found tells the tool.
_AIS = (
    r"\bais[_ ]bench\b|\baclruntime\b|\barg[0-9]+ tensorsize: ?[0-9]+ filesize|\btry get model batchsize|\bSetDevice failed"
    r"|\bacl open device|\bsave out files error|padding_infer_fake_file|\b(?:msit|ait) benchmark\b|load model from file failed"
    r"|Invalid args\. \S+ of --input|Inference (?:array )?Processing|NPU_compute_time|(?<!PureInfer )Performance Summary"
)
_BENCHMARK = r"\bbenchmark\.(?:x86_64|aarch64)\b|\bPureInfer|\bDataset number: [0-9]+ finished|-om_path=|\bthroughputRate\b"
_MSAME = r"\bmsame\b|\bInference (?:average )?time\s*:|\bcreate stream success|\bstart to process file|\bmodel execute success"
_TRTEXEC = (
    r"&&&& \w+ \S*(?:trtexec|giexec|tensorrt[_-]rtx)|\[[VIWE]\] \[TRT\]|GPU latency: [0-9.]+ ms|\[E\] Engine set up failed"
    r"|\[I\] === (?:Performance summary|Trace details)"
)
_PATTERNS = [
    (tool, re.compile(words))
    for tool, words in (
        ("trtexec", _TRTEXEC),
        ("ais_infer", r"\bais_infer\.py\b"),
        ("ais_bench", _AIS),
        ("benchmark", _BENCHMARK),
        ("msame", _MSAME),
        ("trtexec", r"\btrtexec\b"),
    )
]
# What stands in other lines than those of figures, options and failures, too.
_ANYWHERE = (
    ("trtexec", ("[TRT]", "trtexec")),
    ("ais_bench", ("ais_bench", "ais bench", "aclruntime")),
    ("msame", ("msame", "create stream success")),
    ("benchmark", ("benchmark.x86_64", "benchmark.aarch64")),
)
_MOST = 200  # characters of a line that is quoted


@dataclass
class Failure:
    """What a printout says of a failure.

    Attributes:
        tool: whose printout it is, None where it is none that is known.
        failed: whether the run failed; an error that a run got over is only noted.
        problems: the failure in words.
        notes: what is known of it, or of errors that the run got over.
        more: CANN's numbers and the like, by their names.
        cut: what to say of a printout that has neither figures nor a failure.
    """

    tool: str | None
    failed: bool = False
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    cut: str = "expected the summary of a run, found none: the printout was cut off, or the run ended early"


def find(text: str, file: str, runs: Sequence[Run]) -> Failure:
    """Return what a printout says of a failure.

    Args:
        text: its telling lines.
        file: the whole of it, which is searched for the tool's name where there are no runs.
        runs: the runs in it.
    """
    failure = Failure(runs[0].tool if runs else _tool(text, file))
    if failure.tool is None:
        return failure
    told = failures(text)
    words = shorten(line[:_MOST] for line in told) if told else ""
    results = [run.more.get("result") for run in runs]
    if failure.tool == "trtexec":
        failure.failed = "FAILED" in results or bool(told and not any(run.throughput for run in runs))
    else:
        failure.failed = bool(told)
    if failure.failed:
        failure.problems.append(f"the run failed: {words}" if words else "the run failed")
    elif told:
        failure.notes.append(f"errors that the run got over: {words}")
    if failure.tool in ("ais_bench", "ais_infer"):
        _note_ais(failure, text)
    _note_calls(failure, text, runs)
    return failure


def _tool(text: str, file: str) -> str | None:
    told = next((tool for tool, pattern in _PATTERNS if pattern.search(text)), None)
    return told or next((tool for tool, words in _ANYWHERE if any(word in file for word in words)), None)


def _note_ais(failure: Failure, text: str) -> None:
    """Note the numbers in a failure of ais_bench, and what they say."""
    found = ais_failure.failure(text)
    if found is None:
        return
    more = {"code": found.code, "acl_ret": found.returned, "device": found.device}
    failure.more |= {name: value for name, value in more.items() if value is not None}
    if found.mismatch:
        number, tensor, file = found.mismatch
        failure.more |= {"arg": number, "tensorsize": tensor, "filesize": file}
        failure.notes.append(
            f"input {number}: expected {tensor} bytes as the model takes them, found {file} in the file: another size or data type"
        )
    if found.not_split:
        shape, files, rows = found.not_split
        failure.more |= {"output_shape": list(shape), "files_count_perbatch": files, "ndata_shape0": rows}
        failure.more["padding_infer_fake_file"] = found.padded
        failure.notes.append(
            f"an output of {rows} rows cannot be split for {files} files: "
            + (
                "a file has only a part of the bytes that the model takes, and was filled up with another"
                if found.padded
                else "name the axis of the batch with --output_batchsize_axis"
            )
        )


def _note_calls(failure: Failure, text: str, runs: Sequence[Run]) -> None:
    """Note what single calls say where the summary is missing."""
    if any(run.throughput for run in runs):
        return
    calls = {"msame": msame.calls, "trtexec": trtexec.trace}.get(failure.tool or "", lambda _: [])(text)
    if calls:
        least, most = min(calls), max(calls)
        failure.notes.append(f"{len(calls)} times are printed, from {least:g} to {most:g} ms, but no summary")
