"""Where the figures of result files come from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from common.facts import Facts
from common.npu_files.results import network_of, origin_of
from common.report import provenance
from common.report.figures import Origin


def results_origin(
    facts: Facts, folder: Path, results: Iterable[Path | None], data: Iterable[Path | None], out: Path
) -> Origin:
    """Return the origin of the figures of result directories: what `common.infer` noted beside them, and the data set.

    Args:
        facts: the model's.
        folder: the model directory.
        results: the directories, none where stored predictions are scored.
        data: where the data set is, directories and files.
        out: where figures are written to.
    """
    folders = [path for path in results if path]
    backend, precision = origin_of(*folders) if folders else (None, None)
    network = network_of(folders[0]) if folders else None
    made = provenance.of_inputs(
        folder,
        data,
        out,
        **({"results": [str(path) for path in folders]} if folders else {}),
        **({"model": {"file": None, "sha256": network}} if network else {}),
    )
    return Origin(facts.accuracy.dataset, backend, precision, {}, provenance=made)
