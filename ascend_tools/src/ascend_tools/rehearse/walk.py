"""Walk a model's guide by the commands of its README, in a copy of its directory, with a rehearsal in the NPU's place.

    python -m ascend_tools.rehearse.walk COPY/faceboxes --model faceboxes-b0.onnx [--data FDDB]

The doctor comes first, a short benchmark last. What needs torch, an NVIDIA card or the network is left out, and said.
Some commands are run with a fault first, which has to end in one clear message; the same command without it has to go
on. Both routes, through files and streamed, on the rehearsal's NPU and on ONNX Runtime, have to give the same figures.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ascend_tools.rehearse import desk, layout, measured, settings
from ascend_tools.rehearse.faults import VARIABLE
from ascend_tools.rehearse.readme import Command, read
from ascend_tools.rehearse.shell import Shell
from common import cli
from common.errors import GuideError
from common.facts import Facts, read_facts

SECONDS = 1800.0  # for one command on sample data; the largest network takes a minute
LONG_SECONDS = 48 * 3600.0  # for one on a published data set
REAL = "/usr/local/Ascend/ascend-toolkit/set_env.sh"
# A pattern of the commands that are left out, and why.
LEFT_OUT = (
    (r"^(pip|git|nox|sudo)\b", "for they install something"),
    (r"pth2onnx\.py|modify_onnx\.py", "for they export; the file of --model is what they write"),
    (r"(evaluate|test)\.py(?!.* (--model|-g) )", "for they export, which needs torch"),
    (r"predict\.py", "for they take pictures of one's own"),
    (r"ascend_tools\.preflight", "for they are no step of the guide"),
    (r"--backend (openvino|auto)", "for they take OpenVINO, and no NPU"),
    (r"--provider|--cuda|--device (T4|GPU)|trtexec", "for they measure an NVIDIA card"),
    (
        r"ascend_tools\.benchmark(?!.* --read )|common\.infer .*--loop|-round=",
        "for they measure speed, and a rehearsal has none",
    ),
)
PARTS = "for they do in parts what is done as a whole"
# A pattern of a command, and the faults that the first one like it is run with before it is run without.
FAULTS = {
    r"common\.atc(?!.*--dry-run)": ("atc:E19010",),
    r"evaluate\.py .*--backend om": ("device-taken", "device-lost-halfway"),
    r"common\.infer .*--tool": ("tool-dies-halfway", "result-short"),
}
WENT_ON = r"results are there already|already have their results"


class Walk:
    """One walk: the copy, a shell in it, and what was measured and left out."""

    def __init__(self, folder: Path, work: Path, seconds: float) -> None:
        self.seconds, self.log = seconds, work / "walk.log"
        self.rehearsal = work / "a rehearsal"  # a path with a space, as users have
        self.shell = Shell(folder, work / "settings.sh")
        self.faults = dict(FAULTS)
        self.left_out: dict[str, list[str]] = {}
        self.figures = measured.Measured(folder, work / "measured")
        self.commands, self.block = 0, -1
        self.log.write_text("", encoding="utf-8")

    def walk(self, commands: Sequence[Command]) -> None:
        """Run the commands one after the other; the first that fails ends the walk."""
        for command in commands:
            if command.block != self.block:
                self.block = command.block
                self.shell.go_home()
            reason = PARTS if command.loop else left_out(command.text)
            if reason:
                self.left_out.setdefault(reason, []).append(command.text)
                continue
            done = False
            for pattern in [pattern for pattern in self.faults if re.search(pattern, command.text)]:
                done = self.with_faults(self.faults.pop(pattern), command.text) == command.text
            if not done:
                self.succeed(command.text)
            self.commands += 1

    def run(self, text: str, fault: str = "") -> tuple[int, str]:
        """Run a command, with the rehearsal's settings in the place of CANN's."""
        text = text.replace(REAL, f"'{self.rehearsal / 'set_env.sh'}'")
        words = f"{VARIABLE}={fault} {text}" if fault else text
        print(f"$ {words}", end="", flush=True)
        started = time.monotonic()
        status, printed = self.shell.run(words, self.seconds)
        print(f"   {time.monotonic() - started:.1f} s", flush=True)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"$ {words}\n{printed}\n")
        return status, printed

    def succeed(self, text: str) -> str:
        """Run a command, which has to end with status 0, and return what it printed."""
        status, printed = self.run(text)
        if status:
            raise GuideError(f"`{text}` ended with {status}:\n{printed}")
        self.figures.look(text)
        return printed

    def with_faults(self, faults: Sequence[str], text: str) -> str | None:
        """Run a command with faults: with each it has to end with status 1 and one message, and then to go on without.

        Returns the command that has gone on.
        """
        if "evaluate.py" in text:  # sample data are several batches only where a batch is one picture
            text = re.sub(r"_bs\d+\.om", "_bs1.om", text)
        for fault in faults:
            status, printed = self.run(text, fault)
            self.figures.look(text, keep=False)
            errors = [line for line in printed.splitlines() if line.startswith("error: ")]
            if status != 1 or len(errors) != 1 or "Traceback (most" in printed:
                raise GuideError(
                    f"with the fault {fault}, `{text}` ended with {status}; expected 1 and one message:\n{printed}"
                )
            print(f"  {errors[0]}")
        if not any("halfway" in fault for fault in faults):
            return None
        if not re.search(WENT_ON, self.succeed(text)):
            raise GuideError(f"after a fault, `{text}` did not go on where it was; see {self.log}.")
        return text


def left_out(text: str) -> str | None:
    """Return why a command is left out of the walk, None for one that is not."""
    return next((reason for pattern, reason in LEFT_OUT if re.search(pattern, text)), None)


def bring_tools(rehearsal: Path, folder: Path) -> None:
    """Put the NPU's tools where a README has its reader put them."""
    for name in ("benchmark.x86_64", "benchmark.aarch64", "trtexec"):
        shutil.copy(rehearsal / "bin" / name, folder / name)
    shutil.copytree(rehearsal / "python" / "ais_infer", folder, dirs_exist_ok=True)


def bring_sample(folder: Path) -> Path:
    """Write a model's sample data where its README has the data set, and return the directory."""
    from evaluate import sample  # of the model directory, which imports find

    place = folder / sample.PLACE
    return Path(sample.write_sample(place.parent if place.suffix else place))


def bring_data(folder: Path, data: Path) -> Path:
    """Link a data set of the user's to where the README has it, and return that place."""
    from evaluate import sample

    place: Path = folder / sample.PLACE
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(data.resolve())
    return place


def bring_model(folder: Path, facts: Facts, model: Path, commands: Sequence[Command]) -> None:
    """Link the exported network to where the README's exports, which are left out, write it."""
    exports = [command.text.split() for command in commands if "pth2onnx" in command.text]
    for word in (facts.onnx, *(word for words in exports for word in words)):
        path = folder / word
        if path.name == Path(facts.onnx).name and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(model.resolve())


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Walk, print the figures, and return 1 where they differ."""
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "folder",
        type=Path,
        metavar="COPY",
        help="A copy of a model directory, in which the walk leaves its files.",
    )
    add("--model", type=Path, required=True, metavar="F", help="The exported ONNX file.")
    add(
        "--data", type=Path, metavar="DATA", help="The data set, in the README's form (default: sample data)."
    )
    options = arguments.parse_args(argv)
    folder = options.folder.resolve()
    facts = read_facts(folder)
    for path in filter(None, (options.model, options.data)):
        if not path.exists():
            raise GuideError(f"{path}: no such file or directory.")
    work = folder.parent / f"{folder.name}-walk"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    walk = Walk(folder, work, LONG_SECONDS if options.data else SECONDS)
    commands = [entry for entry in read(folder / "README.md") if isinstance(entry, Command)]
    sys.path.insert(0, str(folder))
    data = bring_data(folder, options.data) if options.data else bring_sample(folder)
    bring_model(folder, facts, options.model, commands)
    layout.write(walk.rehearsal, settings.Settings(settings.SOC, chips=4))
    bring_tools(walk.rehearsal, folder)
    deploy = importlib.import_module("tests.deploy")  # which compares the routes without an NPU

    def different(one: Path, other: Path) -> str:
        return str(deploy.different(one, other, data))

    started = time.monotonic()
    desk.examine(walk)
    walk.walk([command for command in commands if command.section[:1] >= "3"])
    for reason, texts in walk.left_out.items():
        print(f"left out, {reason}:")
        print("".join(f"  {text}\n" for text in texts), end="")
    spent = time.monotonic() - started
    print(
        f"{cli.counted(walk.commands, 'command')} of {facts.name}/README.md in {spent:.0f} s; {walk.log}: what they printed"
    )
    if walk.faults:
        raise GuideError(f"no command like {', '.join(walk.faults)}, to be run with a fault.")
    print(walk.figures.table(facts))
    walk.figures.check(facts, different)
    print("all routes give the same figures, and the same predictions")
    print(desk.measure(walk, Path(facts.onnx)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
