"""Score the network's results on LFW: ten-fold verification accuracy and the best threshold.

python postprocess.py --results result/dumpOutput_device0 --data data/lfw_list.npy --out output
python postprocess.py ./result/dumpOutput_device0 ./data/lfw_list.npy

The second is the guide's form. The features of a face and of its mirror image are added and scaled to length 1; writes
pairs.csv, the distance of each pair, metrics.json and the report, which shows the pictures if --data is the data set itself.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common import cli, screen
from common.facts import read_facts
from common.npu_files.origin import results_origin
from common.npu_files.results import open_results
from common.report.details import add_worst
from common.report.metrics_json import conclude
from common.timing import Stopwatch
from lresnet_lfw import lfw
from lresnet_lfw.arguments import add_positional
from lresnet_lfw.postprocessing import add_flipped
from lresnet_lfw.scoring import score

HERE = Path(__file__).resolve().parent


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add_positional(arguments, "results", Path, "--results")
    add_positional(arguments, "data", Path, "--data")
    add(
        "--results",
        "--result",
        type=Path,
        metavar="DIR",
        help="The results of the inference: <i>_<k>.bin or .txt and <i>_flip_<k>, k counted from 0 or from 1.",
    )
    add(
        "--data",
        "--data_path",
        type=Path,
        metavar="DATA",
        help="The labels, an lfw_list.npy made by preprocess.py, or the LFW data set itself.",
    )
    add(
        "--out",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="The directory that pairs.csv and metrics.json are written to (default: %(default)s).",
    )
    add_worst(arguments)
    options = screen.parse(arguments, argv)
    if options.results is None or options.data is None:
        arguments.error("both --results DIR and --data DATA are needed")
    facts, watch = read_facts(HERE), Stopwatch()
    with watch("postprocess"):
        pairs = lfw.read_labels(options.data)
        names, mirrored = lfw.input_names(len(pairs.same))
        results = open_results(options.results, names + mirrored, [facts.outputs[0].image_shape])
        # All at once, not one by one through the task, which takes the features as they are: 24,000 small files.
        embeddings = add_flipped(results.read_all(names), results.read_all(mirrored))
    origin = results_origin(facts, HERE, [options.results], [options.data], options.out)
    with watch("evaluate"):
        figures = score(pairs.same, embeddings, pairs.faces)
    return conclude(options.out, facts, figures, replace(origin, seconds=watch.seconds), worst=options.worst)


if __name__ == "__main__":
    raise SystemExit(main())
