"""What the READMEs call, run in the tests' own process: Python scripts are, what installs or clones is only checked."""

from __future__ import annotations

import functools
import shlex
import shutil
import subprocess
from pathlib import Path

from ascend_tools.rehearse.walk import REAL
from ascend_tools.testing.commands import call
from common.backends import openvino

# What takes seconds is announced before.
ANNOUNCED = {
    "pth2onnx.py": ("starting torch, reading ", "exporting to ONNX ...\n", "comparing with torch ...\n"),
    "evaluate.py": ("starting torch, reading ", "exporting to ONNX ...\n"),
}
# Commands that may end with exit status 1 here, by what they then say: this is no NPU, and one round is too few.
CLOSED = {
    "common.throughput": "\nverdict: FAIL\n",
    "ascend_tools.doctor": "\nnot open: ",
    "ascend_tools.benchmark": "INVALID",
}


@functools.cache
def precisions() -> set[str]:
    """Return the precisions that OpenVINO has on this CPU."""
    return set(openvino.precisions(openvino.library().Core()))


def without(words: list[str], option: str) -> list[str]:
    """Return a command's words without an option and its value."""
    at = words.index(option)
    return [*words[:at], *words[at + 2 :]]


class Programs:
    """What the READMEs call, by the first word of the command."""

    def __init__(self, rehearsal, noxfile, capsys, monkeypatch):
        self.rehearsal, self.noxfile, self.capsys, self.monkeypatch = rehearsal, noxfile, capsys, monkeypatch
        self.printed = ""
        self.table = {
            "python": self.python,
            "nox": self.nox,
            "pip": self.pip,
            "source": self.source,
            "git": self.git,
            "chmod": self.chmod,
        }

    def call(self, folder, script, *words) -> int:
        done = call(folder, script, *words, capsys=self.capsys, monkeypatch=self.monkeypatch)
        closed = script in CLOSED and CLOSED[script] in done.stdout
        assert done.returncode == int(closed), (script, *words, done.stdout, done.stderr)
        needs_torch = not {"-g", "--model"} & {*words}  # stored faces and deployed models do not
        announced = ANNOUNCED.get(script, ()) if needs_torch else ()
        assert [part for part in announced if part not in done.stderr] == []
        self.printed = done.stdout
        return 0

    def python(self, words, here):
        if "--provider" in words:  # a card, which is not here
            words = without(words, "--provider")
        if "--precision" in words and not set(words) & precisions():  # nor, maybe, is a CPU that has it
            words = without(words, "--precision")
        words, log = before_tee([word for word in words if word != "--cuda"], here)
        if words[1] == "-m":
            words.pop(1)
        else:
            assert (here / words[1]).is_file()
        self.call(here, *words[1:])
        if log:
            log.write_text(self.printed)
        return 0

    def nox(self, words, here):
        """An environment takes minutes to make: sessions have to exist, and evaluate.py takes an evaluation's words."""
        if words[1] == "-s":
            assert words[2] in self.noxfile.nox.sessions
            if words[2].endswith("-eval") and words[3:]:
                assert words[3] == "--"
                out = here / words[2].removesuffix("-eval") / "output"
                return self.call(here, "evaluate.py", f"--out={out}", *words[4:])
        return 0

    def pip(self, words, here):
        """Nothing is installed; the files and directories have to be there. A wheel is only named."""
        if words[1] == "wheel":
            (here / "dist").mkdir(exist_ok=True)
            (here / "dist" / "ascend_guides_common-0.1.0-py3-none-any.whl").touch()
        for word in words[2:]:
            if word.endswith((".txt", ".whl")) or (word.startswith(".") and word != "."):
                assert [*here.glob(word)] if "*" in word else (here / word).exists(), word
        return 0

    def git(self, words, here):
        """Nothing is cloned; the vendor's tools, built and not, stand where its repository has them."""
        if words[1] == "checkout":
            return 0
        if words[1] != "clone":
            return subprocess.run(["/bin/sh", "-c", " ".join(words)], cwd=here, check=False).returncode
        clone = here / (words[3:] or [words[2].rpartition("/")[2].removesuffix(".git")])[0]
        for tool in ("ais_infer", "ais_bench"):
            folder = clone / "ais-bench_workload" / "tool" / tool
            (folder / "frontend").mkdir(parents=True)
            (folder / "backend").mkdir()
            (folder / "ais_infer.py").touch()
            for built in (folder, folder / "backend"):
                for name in ("aclruntime", "ais_bench"):
                    (built / f"{name}-0.0.2-py3-none-any.whl").touch()
        return 0

    def chmod(self, words, here):
        """The vendor's tool is made executable, under either of its names."""
        assert " ".join(words[1:]) in ("+x benchmark.$(uname -m)", "+x benchmark.x86_64")
        return 0

    def source(self, words, here):
        """CANN's settings, of a rehearsal: what they set goes into this process, which runs the next commands."""
        assert words[1] in (REAL, "rehearsal/set_env.sh")
        script = f". {shlex.quote(str(self.rehearsal / 'set_env.sh'))} && env -0"
        done = subprocess.run(
            [shutil.which("bash"), "-c", script], capture_output=True, text=True, check=True
        )
        for name, value in (line.split("=", 1) for line in done.stdout.split("\0") if "=" in line):
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.syspath_prepend(self.rehearsal / "python")
        return 0


def before_tee(words: list[str], here: Path) -> tuple[list[str], Path | None]:
    """Return a command without its `| tee FILE`, and that file."""
    if "|" not in words:
        return words, None
    end = words.index("|")
    assert words[end + 1] == "tee"
    return words[:end], here / words[end + 2]
