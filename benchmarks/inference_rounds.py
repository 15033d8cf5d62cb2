"""All rounds of one network for `inference.py`: every way measured in turn, its outputs compared when it was opened."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

import numpy as np

from ascend_tools.benchmark import inputs, outputs
from ascend_tools.benchmark.measurements import Candidate, Outputs
from ascend_tools.benchmark.plan import Plan, own_modules
from common import cli, kernel
from common.compare.differences import spread_of
from common.errors import GuideError
from common.files import make_folder
from common.graph.aipp_file import named_aipp
from common.graph.aipp_numpy import apply
from inference_child import Child, Job, Result
from inference_page import Network, Run
from inference_paths import COMPILED, EAGER, REFERENCE, ROOT, Way, ways

KEPT = 6 * 2**30  # bytes of memory that are left while processes stay; R-FCN takes up to 3 GiB in each


def measure(network: Network, measured: Run, options: argparse.Namespace, work: Path, end: float) -> None:
    """Measure a network in as many rounds as end in time, one at least; each begins with another way."""
    if options.model and not options.checkpoint:
        why = "torch runs a checkpoint: name it with --checkpoint"
        network.left_out |= dict.fromkeys((EAGER, COMPILED), why)
    longest = 0.0  # round, but for the first, which opens everything
    with contextlib.closing(_Ways(network, options, work)) as opened:
        for number in range(options.rounds):
            begin = time.monotonic()
            if number and begin + longest > end:
                break
            todo = [way for way in ways(measured.reduced) if way.name not in network.left_out]
            start = number % max(len(todo), 1)
            for way in todo[start:] + todo[:start]:
                cli.announce(f"{network.name}: round {number + 1}, {way.name}")
                found = opened.measure(way)
                if found.failed:
                    network.left_out[way.name] = found.failed
                    continue
                network.rounds.setdefault(way.name, {})[number] = found
                if not number:
                    network.outputs[way.name] = opened.compare(way, found.precision)
            longest = max(longest, time.monotonic() - begin) if number else 0.0


class _Ways:
    """The ways to run one network, each in a process that stays from round to round while there is memory for it."""

    def __init__(self, network: Network, options: argparse.Namespace, work: Path) -> None:
        folder = ROOT / network.name
        self._model = own_modules(folder)
        plan = Plan(folder, network.facts, work, batch_sizes=(network.batch_size,), data=options.data)
        self._prepared = inputs.prepare(plan, self._model, work / "bytes")
        self._floats = _as_floats(self._prepared, network, folder, work / "floats")
        self._network, self._options, self._work, self._folder = network, options, work, folder
        self._children: dict[str, Child] = {}
        cli.announce(f"{network.name}: running the graph as it is written, to compare outputs with")
        reference = Way(REFERENCE, backend="onnxruntime")
        found = self.measure(reference)
        if found.failed:
            raise GuideError(
                f"{network.model}: ONNX Runtime cannot run the graph as it is written: {found.failed}"
            )
        self._end(reference.name)
        self._wanted = outputs.read(self._outputs)
        network.spread = spread_of(self._wanted)

    @property
    def _outputs(self) -> Path:
        return self._work / "outputs.npz"

    def measure(self, way: Way) -> Result:
        """Measure a way once, in its process, which is started where there is none."""
        child = self._children.get(way.name)
        if child is None:
            child = self._children[way.name] = Child(self._work / f"{way.name}.log")
        found = child.measure(self._job(way), self._options.limit)
        left = kernel.memory_left()
        if found.failed or (left is not None and left < KEPT):
            self._end(way.name)
        return found

    def compare(self, way: Way, precision: str) -> Outputs:
        """Compare the outputs of a way that was just opened with those of the graph as it is written."""
        network = self._network
        candidate = Candidate(way.name, "CPU", precision, {})
        found = outputs.read(self._outputs)
        differences = self._model.differences
        return outputs.compare(network.facts, candidate, network.batch_size, found, self._wanted, differences)

    def close(self) -> None:
        """End all processes."""
        for name in list(self._children):
            self._end(name)

    def _end(self, name: str) -> None:
        child = self._children.pop(name, None)
        if child:
            child.close()

    def _job(self, way: Way) -> Job:
        checkpoint = self._options.checkpoint
        return Job(
            way,
            self._options.seconds,
            model=self._network.model,
            checkpoint=checkpoint.resolve() if checkpoint else None,
            folder=self._folder,
            inputs=self._prepared.folder if way.ours or way.name == REFERENCE else self._floats,
            names=self._prepared.names,
            items=self._prepared.items,
            batch_size=self._network.batch_size,
            outputs=self._outputs,
        )


def _as_floats(prepared: inputs.Inputs, network: Network, folder: Path, target: Path) -> Path:
    """Return where the inputs are as the network without AIPP takes them: made here, so that nobody's time is counted."""
    aipp = named_aipp(network.facts, folder)
    if aipp is None:
        return prepared.folder
    make_folder(target)
    for k, name in enumerate(prepared.names):
        rows = np.load(prepared.folder / f"{k}.npy", mmap_mode="r")
        blocks = [block for block in aipp.blocks if network.facts.inputs[block.rank].name == name]
        made = (
            np.concatenate([apply(blocks[0], rows[i : i + 1]) for i in range(len(rows))]) if blocks else rows
        )
        np.save(target / f"{k}.npy", made)
    return target
