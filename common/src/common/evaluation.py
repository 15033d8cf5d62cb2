"""What every evaluate.py shares: the network it measures, and the predictions it scores."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from common import alone, cli, screen
from common.backends.base import Backend, choose_batch_size, emulation_of, network_seconds
from common.backends.chips import chips_of
from common.cluster.anywhere import open_anywhere, run_anywhere
from common.compare.agreement import Agreement
from common.compare.differences import largest_differences
from common.compare.ended import told_last
from common.compare.known import Known
from common.compare.with_torch import with_torch
from common.engine.settings import settings_of
from common.engine.store import Store
from common.engine.task import Array, ContextT, Outputs, SourceT, Task
from common.export import checkpoint, download, om_file
from common.facts import Facts, Tensor
from common.options import STORE, Options
from common.report import provenance
from common.report.figures import Origin
from common.report.metrics_json import RUN
from common.timing import Stopwatch

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")
SEEDED = "seeded"  # in the place of a checkpoint's name
SEEDED_CAVEAT = "seeded random weights, not the published ones"
STAND_IN = (
    "seeded random weights stand in: no checkpoint found; section 3.1 of the README says where to get it"
)
SAMPLE = "sample"  # the directory in --out with the sample pictures


@dataclass(frozen=True)
class Subject(Generic[Network]):
    """What is measured: an ONNX or OM file, on which data, and the torch network to compare it with, if there is one.

    `caveats` say why its figure is another than the published one, before any counting; `weights` is the name of the
    checkpoint that was read, SEEDED where seeded ones stand in, None where neither was needed; `checkpoint` is that file
    with its SHA-256, see `provenance.of_file`.
    """

    model: Path
    network: Network | None
    dataset: str
    caveats: tuple[str, ...]
    weights: str | None = None
    checkpoint: Mapping[str, str] | None = None

    @property
    def seeded(self) -> bool:
        """Whether the weights are seeded ones."""
        return self.weights == SEEDED


def subject(
    options: Options,
    facts: Facts,
    folder: Path,
    *,
    load: Callable[[Path | None], Network],
    export_to: Callable[[Path, Network, Facts], Path],
    sample: str,
    watch: Stopwatch,
) -> Subject[Network]:
    """Export what the options ask for, unless they name a model, and convert it where it is to run as an OM file.

    Without --data the network is loaded anyway.

    Args:
        options: from `parse`.
        facts: the model's.
        folder: the model directory, where the published checkpoint is looked for.
        load: returns the network with a checkpoint's weights, with seeded ones for None.
        export_to: writes the ONNX file to a directory and returns its path.
        sample: what is measured without --data, in words.
        watch: the seconds of "export" are added to it.
    """
    alone.take(options.out)
    if options.limit:
        sample = f"{sample}, with --limit {options.limit}"
    dataset, caveats = (facts.accuracy.dataset, ()) if options.data else (sample, (sample,))

    if om_file.is_needed(options.model, options.runtime):
        om_file.check_precision(facts, options.runtime)

    def deployed(model: Path) -> Path:
        return om_file.om_file(facts, folder, model, options.runtime, options.batch_size, options.out, watch)

    if options.model and options.data:
        return Subject(deployed(options.model), None, dataset, caveats)
    with watch("export"):
        weights = _weights(options, facts, folder)
        network, read = load(weights), provenance.of_file(weights)
        told = told_last(options.out, facts, is_sample=options.data is None)
        with told, screen.kept_back():
            model = options.model or export_to(options.out, network, facts)
    if options.model is None:
        print(f"{model}: exported")
        if options.runtime.backend == "om" and facts.atc.onnx:
            model = model.with_name(facts.atc.onnx)
    made_up = () if weights else (SEEDED_CAVEAT,)
    name = weights.name if weights else SEEDED
    compared = None if options.data else network
    return Subject(deployed(model), compared, dataset, (*caveats, *made_up), name, read)


def _weights(options: Options, facts: Facts, folder: Path) -> Path | None:
    """Return the checkpoint that a user named, else the published one.

    Where that is not to be had, say so and return None; but that is an error where the user knows it by its SHA-256.
    """
    try:
        return checkpoint.choose(options.checkpoint, facts, folder, options.sha256)
    except download.UnavailableError as error:
        if options.sha256:
            raise
        if options.data:  # its user expects the published figure
            print(f"WARNING: {error}", file=sys.stderr)
        print(STAND_IN, file=sys.stderr)
        cli.announce("starting torch, drawing weights")
        return None


def opened(
    subject: Subject[Network],
    options: Options,
    facts: Facts,
    folder: Path,
    count: int,
    optional: Sequence[Tensor] = (),
) -> Backend:
    """Open what is measured, for `count` items in all, see `open_anywhere`."""
    size = options.batch_size or 1
    return open_anywhere(
        subject.model,
        options.runtime,
        options.engine,
        facts,
        folder,
        optional,
        batch_size=size,
        at_once=math.ceil(count / size),
    )


def origin(
    subject: Subject[Network], deployed: Backend, options: Options, folder: Path, *more: Path | None
) -> Origin:
    """Return where the predictions come from, without seconds; `more` is where the data set is beside --data."""
    made = provenance.of_inputs(
        folder,
        [options.data or options.out / SAMPLE, *more],
        options.out,
        checkpoint=subject.checkpoint,
        # The backend has computed it: the first word of what tells the network from any other.
        model=provenance.of_file(subject.model, deployed.identity.partition(" ")[0]),
        chips=chips_of(deployed),
        **({"emulation": emulation_of(deployed)} if emulation_of(deployed) else {}),
        **({"cluster": deployed.cluster} if hasattr(deployed, "cluster") else {}),
    )
    return Origin(
        subject.dataset,
        deployed.name,
        deployed.precision,
        {},
        subject.caveats,
        subject.weights,
        made,
        choose_batch_size(deployed, options.batch_size),
    )


def measured(
    task: Task[SourceT, ContextT, Array],
    facts: Facts,
    folder: Path,
    deployed: Backend,
    subject: Subject[Network],
    sources: Mapping[str, SourceT],
    options: Options,
    watch: Stopwatch,
    *,
    known: Known,
    against: Callable[[Mapping[str, Array], Mapping[str, Array]], tuple[str, float]],
    differences: Callable[[Outputs, Outputs], Array] = largest_differences,
    same: Callable[[Array, Array], int] | None = None,
) -> tuple[Mapping[str, Array], Agreement[Array] | None]:
    """Return each result by key; of sample pictures also how well they agree with torch and with what is known.

    Args:
        task: what comes before and after the network.
        facts: the model's.
        folder: the model directory.
        deployed: the open network.
        subject: what is measured.
        sources: the items, by key; results of a data set are stored, see `predictions`.
        options: from `parse`.
        watch: the seconds of the stages are added to it.
        known: the model's known answers.
        against: from results, and others as the truth, to the name and value of the task's metric.
        differences: see `with_torch`.
        same: see `with_torch`.
    """
    if subject.network is None:
        return dict(predictions(task, deployed, sources, options, watch)), None
    compared = with_torch(
        task,
        facts,
        folder,
        deployed,
        subject.network,
        sources,
        differences=differences,
        same=same,
        batch_size=choose_batch_size(deployed, options.batch_size),
        watch=watch,
    )
    cli.announce("comparing with the known answers")
    others = known.problems(task, facts, sources, compared.first if subject.seeded else None)
    metric = against(compared.deployed, compared.torch)
    return compared.deployed, compared.judged(metric, others, seeded=subject.seeded)


def predictions(
    task: Task[SourceT, ContextT, Array],
    deployed: Backend,
    sources: Mapping[str, SourceT],
    options: Options,
    watch: Stopwatch,
) -> Iterator[tuple[str, Array]]:
    """Yield each key with its result, in the order of `sources`, once all of them are stored in `OUT/predictions.sqlite`.

    What an earlier run of the same network and settings stored there, of pictures that have not changed, is not
    computed again.
    """
    batch_size = choose_batch_size(deployed, options.batch_size)
    settings = settings_of(deployed, task, batch_size)
    with Store(options.out / STORE, settings, sources) as store:
        todo = store.missing()
        if store.forgotten:
            print(
                f"{store.path}: {store.forgotten} results of another network or other settings are not used"
            )
        if len(todo) < len(sources):
            print(f"{store.path}: {len(sources) - len(todo)} of {len(sources)} results are there already")
        if todo:
            cli.announce(f"running {cli.counted(len(todo), 'input')}")
        start = watch.clock
        results = run_anywhere(
            task,
            deployed,
            todo,
            batch_size=batch_size,
            workers=options.workers,
            watch=watch,
            hash_of=store.hash_of,
        )
        with closing(results):
            store.keep(cli.progress(results, len(todo), "evaluate"), batch_size)
        if todo:
            whole = watch.clock - start
            network = network_seconds(deployed, watch.seconds["infer"], len(todo), batch_size)
            print(_speed(len(todo), whole, network))
            if len(todo) == len(sources):  # of a part, images per second would be another figure's
                watch.add(RUN, whole)
        yield from store.read()


def _speed(count: int, seconds: float, network: float) -> str:
    """Say how long that many inputs took, read, prepared, run and stored, and the network alone."""
    whole, inside = (
        f"{spent:.1f} s, {count / max(spent, 1e-9):.2f} inputs/s" for spent in (seconds, network)
    )
    return f"{cli.counted(count, 'input')} in {whole}; in the network alone {inside}"
