"""From embeddings to LFW's figures, printed and written; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.facts import Facts
from common.files import write_text
from common.report.metrics_json import why_not_whole, write_metrics
from lresnet_lfw import metric
from lresnet_lfw.postprocessing import pair_distances

STARS = "*" * 50


def score(
    embeddings: NDArray[np.float32],
    same: NDArray[np.bool_],
    out: Path,
    model: Facts,
    *,
    dataset: str | None = None,
    why_not_comparable: str | None = None,
    more: Mapping[str, float] | None = None,
    backend: str | None = None,
    precision: str | None = None,
    seconds: Mapping[str, float] | None = None,
) -> str:
    """Score embeddings, 2Nx512, print the figures, write pairs.csv and metrics.json.

    Returns the verdict. `why_not_comparable` says what makes the figure another one than the published; another number
    of pictures than LFW has is such a reason by itself. `more` joins the figures in metrics.json.
    """
    start = time.perf_counter()
    distances = pair_distances(embeddings)
    verification = metric.verify(distances, same)
    roc = metric.roc_figures(distances, same)
    spent = time.perf_counter() - start
    why_not_comparable = why_not_comparable or why_not_whole(model.accuracy, len(embeddings))

    _write_pairs(out / "pairs.csv", distances, same, verification)
    if why_not_comparable:
        print(f"measured on {why_not_comparable}:")
    print(STARS)
    print(f"accuracy: {verification.accuracy!r}")
    print(f"best_thresholds: {verification.best_threshold!r}")
    print(STARS)
    print(", ".join(f"{name} {value:.6g}" for name, value in roc.items()))
    print(f"{len(same)} pairs, {same.sum()} of the same person")
    report = write_metrics(
        out,
        model,
        dataset=dataset or model.accuracy.dataset,
        images=len(embeddings),
        metrics={
            "accuracy": verification.accuracy,
            "best threshold": verification.best_threshold,
            **roc,
            **(more or {}),
        },
        why_not_comparable=why_not_comparable,
        backend=backend,
        precision=precision,
        seconds={**(seconds or {}), "evaluate": spent},
    )
    return str(report["verdict"])


def _write_pairs(
    path: Path, distances: NDArray[np.float32], same: NDArray[np.bool_], verification: metric.Verification
) -> None:
    """Write one line per pair: its distance, and what its fold's threshold says of it."""
    thresholds = verification.best_thresholds[verification.folds]
    correct = (distances < thresholds) == same
    columns = (range(len(same)), same, distances, verification.folds + 1, thresholds, correct)
    rows = zip(*(np.asarray(column).tolist() for column in columns), strict=True)
    lines = [f"{k},{s:d},{d:.9g},{fold},{t:.2f},{c:d}\n" for k, s, d, fold, t, c in rows]
    write_text(path, "pair,same,distance,fold,threshold,correct\n" + "".join(lines))
