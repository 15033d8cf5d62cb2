"""`--find-list` of the command: what it prints and writes."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from ascend_tools import plot_files
from ascend_tools.preflight import list_plot
from ascend_tools.preflight.emulated import Array, Emulated
from ascend_tools.preflight.find_list import Listed, find
from ascend_tools.preflight.list_metric import Evaluation, drops
from ascend_tools.preflight.list_options import BOUND
from ascend_tools.preflight.lists import Kind, of_nodes, of_types
from ascend_tools.preflight.steps import Steps, key_of
from ascend_tools.preflight.trials import HARM, METRIC, OUTPUTS, Trial, Trials, in_words
from common import alone, cli
from common.backends.emulation import GUIDES
from common.errors import GuideError
from common.facts import read_facts
from common.files import file_hash, write_json
from common.graph.external import network_hash
from common.graph.float16_modes import saturates
from common.report.versions import packages, versions

_FLOAT32 = "float32"
_ROWS = 10  # of the operators' harm, printed


@dataclass(frozen=True)
class Network:
    """What is looked at: the loaded model, its file, its only input's name, its input files and how they are batched."""

    proto: onnx.ModelProto
    path: Path
    name: str
    inputs: Sequence[Path]
    batches: Callable[[], Iterable[Array]]
    batch_size: int


def run(network: Network, options: argparse.Namespace) -> int:
    """Search, print, draw and write what was found; return the exit status."""
    chip = options.soc_version or GUIDES
    out: Path = options.out
    evaluation = Evaluation(
        Path(), network.path, options.data, options.checkpoint, options.pictures, chip, out / "metric"
    )
    if options.metric:
        evaluation.check()
    alone.take(out)
    proto = onnx.ModelProto()
    proto.CopyFrom(network.proto)
    kind = of_nodes(proto) if options.nodes else of_types(proto)
    steps = Steps(out / "steps.jsonl")
    bounds = {OUTPUTS: BOUND if options.bound is None else options.bound}
    metric = None
    if options.metric:
        accepted = options.accepted_drop
        bounds[METRIC] = read_facts(Path()).accuracy.accepted_drop if accepted is None else accepted
        metric = _metric(evaluation, kind, steps, network_hash(network.path))
    inputs = key_of(
        files=[file_hash(path) for path in network.inputs], batch_size=network.batch_size, name=network.name
    )
    emulated = Emulated(proto, network.path, network.batches, network.name)
    what = "nodes" if options.nodes else "operator types"
    print(
        f"{network.path}: searching for the smallest list of {what} to keep in float32, on {chip}, over "
        f"{cli.counted(len(network.inputs), 'input')}; accepted: {' and '.join(_accepted(bounds))}",
        flush=True,
    )
    trials = Trials(kind, emulated, steps, inputs, bounds, saturates=saturates(chip), metric=metric)
    found = find(kind, trials)
    return _conclude(network, kind, trials, found, chip, out)


def _metric(
    evaluation: Evaluation, kind: Kind, steps: Steps, network: str
) -> tuple[Callable[[Any], dict[str, float]], str]:
    """Return what measures the metric's drop with a list, and what decides it; the metric in float32 is measured first."""
    decisive = key_of(data=evaluation.decisive, network=network)
    cli.announce("measuring the metric in float32")
    key = key_of(by=_FLOAT32, data=decisive, versions=packages())
    step, is_new = steps.get(key, _FLOAT32, lambda: evaluation.figures(None, None))
    float32 = {name: value for name, value in step.figures.items() if value is not None and value > 0}
    told = ", ".join(f"{name} {value:.4f}" for name, value in float32.items())
    print(
        f"the metric in float32: {told} ({step.seconds:.1f} s{'' if is_new else ', known already'})",
        flush=True,
    )
    if not float32:
        raise GuideError(
            "the metric is 0 in float32, so that it shows nothing; take other weights or other data."
        )
    return lambda kept: drops(float32, evaluation.figures(kind, kept)), decisive


def _accepted(bounds: dict[str, float]) -> list[str]:
    words = {OUTPUTS: "outputs off by {:g} of their spread", METRIC: "a drop of the metric by {:g} of itself"}
    return [words[by].format(bound) for by, bound in bounds.items()]


def _conclude(network: Network, kind: Kind, trials: Trials, found: Listed, chip: str, out: Path) -> int:
    """Print and write what was found."""
    entries, options = found.entries, tuple[str, ...]()
    bound = trials.bounds[found.by]
    if entries:
        options = kind.words(kind.write(out, entries))
    elif entries is not None and not found.is_bare:
        options = (f"precision_mode={kind.mode}",)
    report = {
        "model": str(network.path),
        "sha256": network_hash(network.path),
        "inputs": len(network.inputs),
        "batch_size": network.batch_size,
        "soc_version": chip,
        "list_for": f"--{kind.option}",
        "list": None if entries is None else list(entries),
        "atc": [f"--{option}" for option in options],
        "decided_by": found.by,
        "bounds": trials.bounds,
        "figure": _finite(found.last.figure),
        "figures": found.last.step.figures,
        "without": {entry: _finite(trial.figure) for entry, trial in found.proof},
        "curve": [[len(trial.entries), _finite(trial.figure)] for trial in found.curve],
        "harm": {name: _finite(harm) for name, harm in found.harm},
        "not_listable": list(kind.unlisted),
        "steps": [_as_json(trial) for trial in trials.done],
        "seconds": round(sum({trial.step.key: trial.step.seconds for trial in trials.done}.values()), 3),
        "versions": versions(),
    }
    write_json(out / "find_list.json", report)
    drawn = _draw(network, trials, found, out, bound)
    spent = report["seconds"]
    print(f"{out / 'find_list.json'}: {cli.counted(len(trials.done), 'step')}, {spent:.1f} s of computing")
    if drawn:
        print(f"{', '.join(map(str, drawn))}: the length of lists against how far the network is off")
    _tell(kind, found, bound, out, options)
    return 0


def _tell(kind: Kind, found: Listed, bound: float, out: Path, options: Sequence[str]) -> None:
    """Print the list, its proof and what ATC is to be given; that none helps is an error."""
    for entry, trial in found.proof:
        print(f"without {entry}: {in_words(found.by, trial.figure)}, accepted {bound:g}")
    figure = in_words(found.by, found.last.figure)
    if found.entries is None:
        names = cli.shorten([f"{name} ({harm:.3g})" for name, harm in found.harm[:_ROWS]], _ROWS)
        lost = [name for name, harm in found.harm if name in set(kind.unlisted) and harm > bound]
        why = (
            f" ATC's name for {cli.shorten(lost)} is not known here, so that no list has it." if lost else ""
        )
        best = cli.shorten(found.last.entries, _ROWS) or "nothing"
        raise GuideError(
            f"no list helps: with the best that was tried, {best} in float32, {figure}, accepted {bound:g}. Most harm is "
            f"done by {names}.{why} Give a higher bound, or convert with --precision_mode=must_keep_origin_dtype."
        )
    earlier = f"; {out / kind.file} is of an earlier run" if (out / kind.file).exists() else ""
    if found.is_bare:
        print(
            f"no operator has to stay in float32: {figure}, accepted {bound:g}; ATC's default mode will do{earlier}"
        )
    elif not found.entries:
        print(f"no list is needed: {figure}, accepted {bound:g}; give ATC --{options[0]}{earlier}")
    else:
        print(
            f"{out / kind.file}: keeps {cli.shorten(found.entries, _ROWS)} in float32: {figure}, accepted {bound:g}; none of "
            f"them can be left out. Give it to ATC with {' '.join(f'--{option}' for option in options)}"
        )
        if slow := [entry for entry in found.entries if entry in kind.products]:
            print(
                f"note: {cli.shorten(slow)}: what the matrix unit computes is many times as slow in float32"
            )


def _draw(network: Network, trials: Trials, found: Listed, out: Path, bound: float) -> list[Path]:
    """Draw the search, if there was one; what an earlier one has drawn goes."""
    path = out / "find_list"
    plot_files.remove(path)
    if found.entries == ():
        return []
    of_metric = found.by == METRIC
    return list_plot.write(
        path,
        curve=[(len(trial.entries), trial.figure) for trial in found.curve],
        names=found.entries or (),
        tried=[(len(trial.entries), trial.figure) for trial in trials.done if trial.by == found.by],
        proof=[(len(trial.entries), trial.figure) for _, trial in found.proof],
        bound=bound,
        title=f"{network.path.name}: operators kept in float32",
        figure=f"{'the metric drops' if of_metric else 'outputs are off'}, as a share of {'it' if of_metric else 'their spread'}",
    )


def _as_json(trial: Trial) -> dict[str, Any]:
    """Return a step as it is stored."""
    return {
        "by": trial.by,
        "precision_mode": trial.mode,
        "only_in_float16" if trial.by == HARM else "in_float32": list(trial.entries),
        "figure": _finite(trial.figure),
        "holds": None if trial.by == HARM else trial.holds,
        "seconds": trial.step.seconds,
        "known_already": trial.was_known,
    }


def _finite(value: float) -> float | None:
    """Return a figure as JSON has it."""
    return value if math.isfinite(value) else None
