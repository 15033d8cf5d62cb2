"""The guide's name for evaluate.py --form original --data data: what the published figure was measured with.

python test.py --cuda
"""

from __future__ import annotations

import install_hint

import sys
from collections.abc import Sequence

import evaluate
from rfcn_voc.voc import DATA


def main(argv: Sequence[str] | None = None) -> int:
    """Do what evaluate.py does, with these two options unless others are given."""
    given = sys.argv[1:] if argv is None else argv
    return evaluate.main(["--form=original", f"--data={DATA}", *given])


if __name__ == "__main__":
    raise SystemExit(main())
