"""What every tests/deploy.py shares: it runs the guide's steps in a lone copy of a model directory, without torch."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.errors import GuideError
from common.graph.outline import describe, load


def parse(
    description: str | None, argv: Sequence[str] | None, data_help: str
) -> tuple[Path, Path | None, tuple[str, ...]]:
    """Return the arguments of a tests/deploy.py: model and data, both absolute, and what common.infer is asked for.

    That is batches of four, or nothing where the model was built for batches of its own.
    """
    arguments = cli.parser(description)
    add = arguments.add_argument
    add("--model", type=Path, required=True, metavar="F", help="The ONNX file to deploy.")
    add("--data", type=Path, metavar="DATA", help=f"{data_help} (default: drawn pictures).")
    options = arguments.parse_args(argv)
    inputs = describe(load(options.model)).inputs
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs)
        raise GuideError(
            f"{options.model}: takes {names}, and the steps through files give a network one input. "
            "Deploy a file with one; evaluate.py measures this one."
        )
    batches = () if isinstance(inputs[0].shape[0], int) else ("--batch-size", "4")
    return options.model.resolve(), options.data and options.data.resolve(), batches


def run(folder: Path, *words: str | Path) -> None:
    """Run one command of the guide in the copy, which sees nothing but what is installed.

    A failure ends the script with the command's exit status: it has said what is wrong.
    """
    command = [str(word) for word in words]
    print(f"$ python {shlex.join(command)}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, *command], cwd=folder, check=False, env=environment)
    if done.returncode:
        sys.exit(done.returncode)
