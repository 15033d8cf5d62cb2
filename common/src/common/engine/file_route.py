"""The route through files, for the NPU's tools that read and write them: a task's two halves, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from common import cli, resume
from common.engine.task import ContextT, ResultT, SourceT, Task, file_of, particulars
from common.errors import about
from common.files import write_array
from common.npu_files.inputs import is_whole
from common.npu_files.results import Results
from common.threads import map_threads


def write_inputs(
    task: Task[SourceT, ContextT, ResultT],
    sources: Mapping[str, SourceT],
    out: Path,
    *,
    size: int,
    workers: int,
) -> None:
    """Write the first input of each source to `out/<key>.bin`, `size` bytes, in threads.

    What is there counts if it was made from the same source, which `out/preprocess.json` tells.
    """
    files = {key: file_of(source) for key, source in sources.items()}
    todo = resume.missing(
        out / "preprocess.json",
        {},
        files,
        lambda key: [out / f"{key}.bin"],
        lambda path: is_whole(path, size),
        {key: particulars(source) for key, source in sources.items()},
    )

    def write(key: str) -> None:
        with about(key):
            inputs, _ = task.prepare(sources[key])
        write_array(out / f"{key}.bin", next(iter(inputs.values())))

    for _ in cli.progress(map_threads(write, todo, workers), len(todo), "preprocess"):
        pass


def read_predictions(
    task: Task[SourceT, ContextT, ResultT], results: Results, contexts: Mapping[str, ContextT]
) -> Iterator[tuple[str, ResultT]]:
    """Yield each key with what `task.finish` makes of its result files, in the order of `contexts`."""
    for key, context in cli.progress(contexts.items(), len(contexts), "postprocess"):
        with about(key):
            result = task.finish(results.read(key), context)
        yield key, result
