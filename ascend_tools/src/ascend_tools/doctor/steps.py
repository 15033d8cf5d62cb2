"""What is still to be done for a way: commands, or sentences where there is none, from what the checks found."""

from __future__ import annotations

import importlib.util
import itertools
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_tools.doctor.check import Check, Status

_EVERYWHERE = ("CPUExecutionProvider", "AzureExecutionProvider")  # which need nothing of the machine
_SESSION = "inference.session"


@dataclass(frozen=True)
class Step:
    """What is to be done for a way.

    Attributes:
        text: a command, or a sentence where there is none.
        is_command: which of the two.
        wrong: whether something is there that is not as it should be.
        folder: the model's directory, for a command that is run in it.
    """

    text: str
    is_command: bool = True
    wrong: bool = False
    folder: Path = Path()


def pip() -> str:
    """Return how this Python's pip is called in a command that is pasted here."""
    return f"{python()} -m pip install"


def python() -> str:
    """Return how this Python is called in a command that is pasted here."""
    found = shutil.which("python")
    same = found and Path(found).absolute() == Path(sys.executable).absolute()
    return "python" if same else shlex.quote(sys.executable)


class Machine:
    """What the checks say of the ways, apart from any model."""

    def __init__(self, found: Mapping[str, Check]) -> None:
        self.found = found

    @property
    def soc(self) -> str | None:
        """This machine's chip, as ATC names it, where npu-smi told one kind."""
        chips = self.found["npu.chips"].details.get("chips", ()) if "npu.chips" in self.found else ()
        kinds = {chip["soc"] for chip in chips}
        return kinds.pop() if len(kinds) == 1 else None

    @property
    def providers(self) -> dict[str, str]:
        """ONNX Runtime's further providers that are here, by the names of their columns."""
        runtime = self.found.get("backend.onnxruntime")
        names = runtime.details.get("providers", ()) if runtime else ()
        others = (name for name in names if name not in _EVERYWHERE)
        found = {name.removesuffix("ExecutionProvider").lower(): name for name in others}
        # The column "openvino" is of OpenVINO itself.
        return {f"onnxruntime-{way}" if way == "openvino" else way: name for way, name in found.items()}

    def is_ok(self, name: str) -> bool:
        """Tell whether a check was made and is as it should be."""
        return name in self.found and self.found[name].status is Status.OK

    def groups(self, *names: str) -> list[Step]:
        """Return what is to be done for groups of checks, those that the way to the NPU needs.

        CANN's settings come first and alone, for most of what is missing without them is there with them.
        """
        closed = [
            check
            for check in self.found.values()
            if check.id.partition(".")[0] in names and check.required and check.status is not Status.OK
        ]
        unset = [check for check in closed if check.id == "cann.environment" and "command" in check.details]
        return [step_of(check) for check in unset or closed]

    def session(self) -> list[Step]:
        """Return what is to be done for what runs OM files, where no check has tried it."""
        if _SESSION in self.found or any(map(importlib.util.find_spec, ("acl", "ais_bench"))):
            return []
        return [
            Step("What runs an OM file: source CANN's set_env.sh, or install ais_bench", is_command=False)
        ]

    def one(self, name: str) -> list[Step]:
        """Return what is to be done for one check, nothing where it was not made."""
        check = self.found.get(name)
        return [] if check is None or check.status is Status.OK else [step_of(check)]


def step_of(check: Check) -> Step:
    """Return the remedy of a check: its command where it has one, else its words."""
    command = check.details.get("command")
    words = command or f"{check.title}: {' '.join(check.remedy.split())}"
    return Step(str(words), bool(command), check.status is Status.WRONG)


def joined(steps: Sequence[Step]) -> str:
    """Return one command of several, which leaves the shell where it is."""
    parts = []
    for folder, several in itertools.groupby(steps, lambda step: step.folder):
        command = " && ".join(step.text for step in several)
        parts.append(command if folder == Path() else f"(cd {shlex.quote(str(folder))} && {command})")
    return " && ".join(parts)
