"""The guide's place for scoring stored faces: `python evaluate.py -g ./ground_truth`, typed in this directory."""

import runpy
import sys
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    sys.path[0] = str(DIRECTORY)  # Python has put this directory there
    runpy.run_path(str(DIRECTORY / "evaluate.py"), run_name="__main__")
