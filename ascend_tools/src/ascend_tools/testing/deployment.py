"""What every tests/deploy.py shares: it runs the guide's steps in a lone copy of a model directory, without torch."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path


def run(folder: Path, *words: str | Path) -> None:
    """Run one command of the guide in the copy, which sees nothing but what is installed; a failure ends the script."""
    command = [str(word) for word in words]
    print(f"$ python {shlex.join(command)}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, *command], cwd=folder, check=True, env=environment)
