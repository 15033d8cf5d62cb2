"""Running inputs, or made-up data, through one of the vendor's tools, on one device or several."""

from __future__ import annotations

import re
import shutil
import signal
import threading
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from common import cli, process
from common.errors import GuideError
from common.files import write_text
from common.npu_tools import acl_errors, ais_failure
from common.npu_tools.ais_commands import AIS_BENCH, AIS_INFER
from common.npu_tools.benchmark_command import BENCHMARK
from common.npu_tools.msame import MSAME
from common.npu_tools.staged import Store, put, take
from common.npu_tools.tool import Job, Tool
from common.threads import batches

TOOLS = {tool.name: tool for tool in (BENCHMARK, AIS_INFER, AIS_BENCH, MSAME)}
AUTO = "auto"
RUNNING = ".running"  # the directory in OUT that jobs have theirs in
QUIET = 1800.0  # seconds without a line after which a tool is given up
End = tuple[int, str] | GuideError  # exit code and printout, or why it was given up
_TOGETHER = re.compile(r"\bfilesperbatch:\s*([0-9]{1,9})(?![0-9])")
_HANGS = "See whether the device is healthy and free (npu-smi info); --give-up SECONDS waits longer."


@dataclass(frozen=True)
class Program:
    """A tool that is installed here: the words that begin its command line."""

    tool: Tool
    words: tuple[str, ...]


def find(name: str, here: Path) -> Program:
    """Return the tool of that name, or with AUTO the first that is installed; none is an error."""
    asked = list(TOOLS.values()) if name == AUTO else [TOOLS[name]]
    for tool in asked:
        if words := tool.find(here):
            return Program(tool, tuple(words))
    missing = "none of the NPU's tools is" if name == AUTO else f"{name} is not"
    install = ", or ".join(tool.install for tool in asked)
    raise GuideError(
        f"--tool {name}: {missing} installed here. Source CANN's set_env.sh and {install}; or leave --tool out."
    )


def salvage(out: Path, store: Store) -> int:
    """Store the whole results of jobs that were killed together with the program that ran them; return of how many inputs."""
    return sum(take(folder, store, ended_well=False) for folder in sorted((out / RUNNING).glob("*")))


def run_inputs(
    program: Program,
    job: Job,
    devices: Sequence[int],
    sources: Mapping[str, Path],
    out: Path,
    store: Store,
    quiet: float = QUIET,
) -> None:
    """Run each input, a share of them on each device; what is whole is stored, whatever happens.

    `job` is what all have in common. The printouts and the tool's own figures go to `out`. A tool that fails, or leaves an
    input without its result, is an error that comes after all devices are done.
    """
    # Whole batches, since what fills one up is computed as well.
    together = list(batches(sources, job.batch_size))
    jobs = [_job(job, out, device) for device in devices[: len(together)]]
    shares = [
        {name: sources[name] for batch in together[start :: len(jobs)] for name in batch}
        for start in range(len(jobs))
    ]
    for each, share in zip(jobs, shares, strict=True):
        _check_paths(program.tool, each)
        put(each, program.tool, share)
    ended: list[End] = []
    try:
        ended = _run(program, jobs, [program.tool.files(program.words, each) for each in jobs], out, quiet)
        figures = [program.tool.figures(each, _text(end)) for each, end in zip(jobs, ended, strict=True)]
    finally:
        for at, each in enumerate(jobs):
            take(each.folder, store, ended_well=at < len(ended) and _went_well(ended[at]))
        with suppress(OSError):  # it holds results that could not be stored
            (out / RUNNING).rmdir()
    lacking = [
        [name for name in share if not all(map(Path.is_file, store.targets(name)))] for share in shares
    ]
    wrong = [
        _failure(program, each, end, names, _log(program, each, out, len(jobs)), store.not_finite)
        for each, end, names in zip(jobs, ended, lacking, strict=True)
        if names or not _went_well(end)
    ]
    if wrong:
        raise GuideError("\n".join(wrong))
    for each, kept, end, share in zip(jobs, figures, ended, shares, strict=True):
        _check_batch(each, _text(end))
        _keep(out, kept, f"performance of {cli.counted(len(share), 'input')} on device {each.device}")


def run_pure(program: Program, job: Job, devices: Sequence[int], out: Path, quiet: float = QUIET) -> None:
    """Run made-up data `job.loops` times on each device, and keep the tool's figures in `out`."""
    most = program.tool.most_loops
    if most and job.loops and job.loops > most:
        raise GuideError(
            f"--loop {job.loops}: {program.tool.name} runs at most {most}; lower it, or choose another --tool."
        )
    jobs = [_job(job, out, device) for device in devices]
    for each in jobs:
        _check_paths(program.tool, each)
        put(each, program.tool, {})
    try:
        ended = _run(program, jobs, [program.tool.pure(program.words, each) for each in jobs], out, quiet)
        figures = [program.tool.figures(each, _text(end)) for each, end in zip(jobs, ended, strict=True)]
    finally:
        for each in jobs:
            shutil.rmtree(each.folder, ignore_errors=True)
        with suppress(OSError):  # it holds results that could not be stored
            (out / RUNNING).rmdir()
    wrong = [
        _failure(program, each, end, (), _log(program, each, out, len(jobs)))
        for each, end, kept in zip(jobs, ended, figures, strict=True)
        if not kept or not _went_well(end)
    ]
    if wrong:
        raise GuideError("\n".join(wrong))
    for each, kept, end in zip(jobs, figures, ended, strict=True):
        _check_batch(each, _text(end))
        _keep(out, kept, f"pure inference, {cli.counted(each.loops or 0, 'round')}, on device {each.device}")


def _job(job: Job, out: Path, device: int) -> Job:
    return replace(job, folder=(out / RUNNING / f"device_{device}").resolve(), device=device)


def _check_paths(tool: Tool, job: Job) -> None:
    """Refuse paths that the tool would take for something else."""
    for path in (job.folder, job.model):
        for text in tool.splits:
            if text in str(path):
                raise GuideError(
                    f"{path}: {tool.name} takes no path with {text!r} in it; choose another directory, or another --tool."
                )


def _run(
    program: Program, jobs: Sequence[Job], commands: Sequence[Sequence[str]], out: Path, quiet: float
) -> list[End]:
    """Run a command for each job, all at once; a single one's output is shown as it comes."""
    stop = threading.Event()
    single = len(jobs) == 1

    def run(job: Job, command: Sequence[str]) -> End:
        log = _log(program, job, out, len(jobs))
        try:
            return process.run(
                command, _HANGS, capture=not single, log=log, folder=job.folder, quiet=quiet, stop=stop
            )
        except GuideError as error:
            return error

    if single:
        return [run(jobs[0], commands[0])]
    for job, command in zip(jobs, commands, strict=True):
        print(f"> {process.quote(command)}\n{_log(program, job, out, len(jobs))}: what it prints", flush=True)
    with ThreadPoolExecutor(len(jobs)) as pool:
        calls = [pool.submit(run, job, command) for job, command in zip(jobs, commands, strict=True)]
        try:
            wait(calls)
            return [call.result() for call in calls]
        except BaseException:  # Ctrl-C for one
            stop.set()
            raise


def _log(program: Program, job: Job, out: Path, jobs: int) -> Path:
    """Return where a tool's printout is kept."""
    return out / f"{program.tool.name}{f'_device_{job.device}' if jobs > 1 else ''}.log"


def _text(end: End) -> str:
    return "" if isinstance(end, GuideError) else end[1]


def _went_well(end: End) -> bool:
    return not isinstance(end, GuideError) and end[0] == 0


def _failure(
    program: Program, job: Job, end: End, lacking: Sequence[str], log: Path, broken: Container[str] = ()
) -> str:
    """Return what to tell of a tool that failed, or left inputs without whole results, `broken` for being not finite."""
    tail = f"\nIts printout is {log}."
    if lacking:
        tail += (
            f" Without a whole result: {cli.shorten(lacking)} ({len(lacking)} in all). What is whole is kept; run the same "
            "command again to go on."
        )
    if isinstance(end, GuideError):
        return f"{end}{tail}"
    code, reason = end[0], _reason(*end)
    how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
    if code == 0:
        how += f" and left {cli.counted(len(lacking), 'input')} without a whole result"
        if found := [name for name in lacking if name in broken]:
            reason = f"Values that are not finite: {cli.shorten(found)}. {acl_errors.OVERFLOW}"
    return f"{program.tool.name} on device {job.device} {how}. {reason}{tail}"


def _reason(code: int, printed: str) -> str:
    """Return why a tool failed, as far as it tells, and what to do."""
    told = ais_failure.failure(printed)
    if told and told.mismatch:
        number, takes, has = told.mismatch
        return (
            f"The OM takes {takes} bytes as its input {number}, a file has {has}: make the inputs again with "
            "preprocess.py, or name the OM that they are for."
        )
    if code == -signal.SIGKILL and not told:
        return "It was killed from outside, as the system does where memory runs out."
    if code == 0 and not told:
        return (
            "Is the disk full? Where no input has a result: was the OM converted from another network, for another batch size, "
            "or with --output_type=FP16?"
        )
    return (f"{acl_errors.CRASHED} " if code == -signal.SIGSEGV else "") + acl_errors.explain(printed)


def _check_batch(job: Job, printed: str) -> None:
    """Refuse figures that were computed for another batch size than the OM's, as the tool says it."""
    found = _TOGETHER.search(printed)
    if found and int(found[1]) != job.batch_size:
        raise GuideError(
            f"{job.model}: takes batches of {found[1]}, not of {job.batch_size}, so the tool's figures are wrong; the "
            f"results are right and kept. Name it with --batch-size {found[1]}."
        )


def _keep(out: Path, figures: tuple[str, str] | None, what: str) -> None:
    if figures:
        write_text(out / figures[0], figures[1])
        print(f"{out / figures[0]}: {what}")
