"""NVIDIA's `trtexec`, which the guides measure cards with: the guide's line for each batch size, and a real batch for it.

Source: TensorRT documentation, "trtexec", command-line flags. An engine is built in the first round and kept for the
others, which measure in a process of their own each, as the other backends do. It runs one batch again and again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_tools.benchmark import load
from ascend_tools.benchmark.inputs import Batches, Inputs
from ascend_tools.benchmark.measurements import Pure
from ascend_tools.benchmark.plan import Plan
from common import process, rehearsal
from common.errors import GuideError
from common.files import make_folder, write_array
from common.graph.aipp_file import named_aipp
from common.graph.aipp_numpy import apply
from common.graph.outline import Graph, describe, item_shape
from common.graph.outline import load as load_onnx
from common.npu_tools import trtexec
from common.npu_tools.tool import on_path
from common.report.throughput import card_of

NAME = "trtexec"
REMEDY = "trtexec is not on PATH, nor in this directory; it comes with NVIDIA's TensorRT, see NPU.md"
UNSEEN = "not compared: trtexec keeps its outputs to itself"
_SECONDS = 3600.0  # for building an engine and measuring it
_ASK = 30.0  # seconds for nvidia-smi
_UNKNOWN = re.compile(r"Unknown option: --(threads)\b")
_ERROR = re.compile(r"\[E\]\s*(.+)")


@dataclass(frozen=True)
class Call:
    """One batch size of a file: the engine that is kept, the inputs that it is fed with, the printout of each round."""

    onnx: Path
    batch_size: int
    engine: Path
    inputs: str | None

    def words(self, program: Sequence[str], shapes: str | None, *, threads: bool) -> list[str]:
        """Return the command line: the guide's, but for the engine and the inputs."""
        built = self.engine.is_file()
        return [
            *program,
            f"--loadEngine={self.engine}" if built else f"--onnx={self.onnx}",
            *([] if built else ["--fp16"]),
            *([f"--shapes={shapes}"] if shapes else []),
            *(["--threads"] if threads else []),
            *([] if built else [f"--saveEngine={self.engine}"]),
            *([f"--loadInputs={self.inputs}"] if self.inputs else []),
        ]


def find(folder: Path) -> list[str] | None:
    """Return the words that begin its command line, from the model directory or PATH; None where it is not there."""
    return on_path(NAME, [folder])


def is_rehearsed(program: Sequence[str]) -> bool:
    """Tell whether the program is a rehearsal's, which measures this machine's CPU."""
    with Path(program[0]).open("rb") as file:
        return rehearsal.VARIABLE.encode() in file.read(2000)


def card() -> str:
    """Return the first NVIDIA card's name, as the guides' tables have it where they have it; "GPU" where it is not told."""
    ask = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader", "-i", "0"]
    try:
        code, text = process.run(ask, "", seconds=_ASK, capture=True)
    except GuideError:
        return "GPU"
    name = re.sub(r"^(?:NVIDIA|Tesla)\s+", "", text.strip().partition("\n")[0].strip())
    return (card_of(name.removeprefix("Tesla ")) or name or "GPU") if code == 0 else "GPU"


class Trtexec:
    """Its calls for one model directory; engines and inputs are kept in `work`, printouts in OUT/trtexec."""

    def __init__(self, plan: Plan, inputs: Inputs, work: Path) -> None:
        self._plan, self._inputs, self._work = plan, inputs, work
        program = find(plan.folder)
        if program is None:
            raise GuideError(f"{REMEDY}.")
        self._program = program
        self._threads = True  # newer versions know the guides' option no more

    def measure(self, onnx: Path, batch_size: int, number: int) -> Pure:
        """Measure one batch size in round `number`, counted from 1; a run that fails is a GuideError."""
        graph = describe(load_onnx(onnx, check=False))
        call = Call(onnx, batch_size, self._work / f"bs{batch_size}.engine", self._batch(graph, batch_size))
        log = self._plan.out / "trtexec" / f"round{number}_bs{batch_size}.log"
        make_folder(log.parent)
        with load.watch() as watched:
            text = self._run(call, _shapes(graph, batch_size), log)
        run = trtexec.parse(text)[-1:]
        if not run or run[0].mean_ms is None or run[0].queries is None:
            raise GuideError(f"{log}: expected the performance summary of trtexec, found none.")
        count, mean = run[0].queries, run[0].mean_ms
        return Pure(
            (),
            count * batch_size,
            count * mean / 1000,
            watched.load,
            distinct=1,
            printed=run[0].times[trtexec.COMPUTE],
            count=count,
        )

    def _run(self, call: Call, shapes: str | None, log: Path) -> str:
        while True:
            words = call.words(self._program, shapes, threads=self._threads)
            code, text = process.run(
                words, REMEDY, seconds=_SECONDS, capture=True, log=log, folder=self._plan.folder
            )
            if code == 0:
                return text
            if not (self._threads and _UNKNOWN.search(text)):
                said = _ERROR.findall(text)[-1:] or text.strip().splitlines()[-1:] or ["it said nothing"]
                raise GuideError(f"trtexec failed with exit code {code}: {said[0].strip()} ({log})")
            self._threads = False

    def _batch(self, graph: Graph, batch_size: int) -> str | None:
        """Write a batch of real inputs, where the file has one input; return what `--loadInputs` is told."""
        path = self._work / f"bs{batch_size}.bin"
        if len(graph.inputs) != 1 or {",", ":", "'"} & set(str(path) + graph.inputs[0].name):
            return None
        name = graph.inputs[0].name
        if not path.is_file():
            batches = Batches(self._inputs.folder, self._inputs.names, self._inputs.items, batch_size)
            values = batches.at(0)[name]
            aipp = named_aipp(self._plan.facts, self._plan.folder)
            for block in aipp.blocks if aipp else ():
                values = apply(block, values)
            write_array(path, values)
        return f"{name}:{path}"


def _shapes(graph: Graph, batch_size: int) -> str | None:
    """Return what `--shapes` is told; None for a file with a batch size of its own, which takes no other."""
    if all(isinstance(value.shape[0], int) for value in graph.inputs):
        return None
    sides = ("x".join(map(str, (batch_size, *item_shape(value)))) for value in graph.inputs)
    return ",".join(f"{value.name}:{side}" for value, side in zip(graph.inputs, sides, strict=True))


def notes(rehearsed: bool) -> tuple[str, ...]:
    """Return what a reader of its figures has to know."""
    fixed = "trtexec runs one batch again and again"
    return (fixed, "a rehearsal: ONNX Runtime on this machine's CPU") if rehearsed else (fixed,)
