"""One process of `growth.py`: what the evaluation of a data set of several times the size costs.

python growth_child.py make|evaluate MODEL TIMES FOLDER OUT.json
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from common.files import write_json
from evaluations.steps import Steps, held, peak


def main() -> int:
    what, model, times, folder, out = sys.argv[1:]
    evaluation = importlib.import_module(f"evaluations.{model}")
    if what == "make":
        evaluation.make(Path(folder), int(times))
        return 0
    before = held()
    steps = Steps()
    figures = evaluation.evaluate(Path(folder), steps)
    write_json(Path(out), {"steps": steps.spent, "before": before, "peak": peak(), "figures": figures})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
