"""Made-up inputs of the five networks, which all benchmarks share: no data set and no trained weights are needed.

`load("faceboxes")` returns the module of a model. Each has the same names:

    FACTS                           model.toml
    TASK                            what is done with one item, see `common.engine.task`
    SIZE                            height and width of its pictures
    COUNT                           how many items are enough to measure with
    PICTURES                        how many items the evaluation of the data set has
    ORIGINAL                        what the published scripts take, by stage, see `original.Original`
    THREADED                        whether its evaluation is that of large matrices, which all cores can share
    FASTEST                         the fastest device that the guide has figures of, see `original.Fastest`
    data_set(folder, count)         writes pictures like the data set's, with annotations; returns what --data takes
    pictures(folder, count)         the same; returns the items as the task takes them, by key
    decode(source)                  reads the pixels of one item, and does no more
    bare(source)                    what the task prepares of one item, in bare calls of OpenCV, Pillow and numpy
    outputs(seed)                   outputs like the network's for one item, in the order of model.toml
    preprocess(sources, out, workers)                     the file route's first half, as preprocess.py goes it
    postprocess(folder, sources, contexts, out, workers)  its second half, as postprocess.py goes it, not scored
    whole(folder)                   steps over a whole data set, which `evaluations` has made there, see `original.Whole`
    plain_evaluation(folder)        a yardstick for its evaluation, see `original.Plain`, or None
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = ("faceboxes", "efficientdet_d0", "lresnet100e_ir", "rfcn", "pcb")


def models(text: str) -> list[str]:
    """Argument type: models by their directories, with commas between them."""
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in MODELS]:
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown)}: no such model; there are {', '.join(MODELS)}"
        )
    return chosen


def load(name: str) -> ModuleType:
    """Return the module of a model; its directory comes first in the search path, so take one model for each process."""
    sys.path.insert(0, str(ROOT / name))
    return importlib.import_module(f"inputs.{name}")
