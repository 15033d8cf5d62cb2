"""Every README's commands pasted in its order, in a copy of the repository, each with exit status 0.

A twin stands in the place of each network, sample data in that of the published data sets, a rehearsal in that of the NPU's
tools: what is tried is that each command finds what the ones before it have written. What cannot be run here stands in
`Programs` with the reason, and what can be said of it all the same is checked.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ascend_tools.rehearse import layout, settings
from ascend_tools.rehearse.readme import Command, read
from ascend_tools.rehearse.walk import REAL, bring_sample, bring_tools
from ascend_tools.testing.commands import call
from ascend_tools.testing.readme import Pasted
from ascend_tools.testing.twin import Twin
from common.backends import openvino
from common.engine.shard import Shard
from common.export import download
from common.facts import read_facts
from common.images.read import write_image
from tests.conftest import DIRECTORIES, ROOT

FULL_SIZE = {"rfcn": pytest.mark.full_size}  # its head is
MODELS = [pytest.param(path.name, marks=FULL_SIZE.get(path.name, ())) for path in DIRECTORIES]
# What takes seconds is announced before.
ANNOUNCED = {
    "pth2onnx.py": ("starting torch, reading ", "exporting to ONNX ...\n", "comparing with torch ...\n"),
    "evaluate.py": ("starting torch, reading ", "exporting to ONNX ...\n"),
}
# What only measures takes its least time.
SHORTER = (
    (r"-round=20", "-round=1"),
    (r"^(\S*trtexec) ", r"\1 --duration=0 --warmUp=0 "),
    (
        r"ascend_tools\.benchmark(?!.* --(read|help))",
        "ascend_tools.benchmark --rounds=1 --seconds=0.01 --batch-sizes=1",
    ),
    (r"ascend_tools\.doctor$", "ascend_tools.doctor --quick"),
)
# Commands that may end with exit status 1 here, by what they then say: this is no NPU, and one round is too few.
CLOSED = {
    "common.throughput": "\nverdict: FAIL\n",
    "ascend_tools.doctor": "\nnot open: ",
    "ascend_tools.benchmark": "INVALID",
}
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the repository with everything committed."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if not listed:
        pytest.skip("git has no list of what belongs to the repository")
    copy = tmp_path_factory.mktemp("repository")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=all"]):
        subprocess.run([*GIT, *words], cwd=copy, check=True)
    yield copy
    shutil.rmtree(copy)


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


class Padded(Twin):
    """EfficientDet-D0's pools its input first, with one of the paddings that ATC stumbles over."""

    def forward(self, x):
        wider = torch.nn.functional.pad(x, (0, 1, 0, 1), value=-torch.inf)
        return super().forward(torch.nn.functional.max_pool2d(wider, 3, 2))


class Regions(torch.nn.Module):
    """R-FCN's has the head, and a body of one convolution for each of its maps."""

    def __init__(self, facts):
        from rfcn_voc.standard_head import BODY

        super().__init__()
        self.maps = torch.nn.ModuleList(
            torch.nn.Conv2d(3, channels, 1, 16, bias=False) for channels in BODY.values()
        )
        generator = torch.Generator().manual_seed(0)
        for layer in self.maps:
            torch.nn.init.normal_(layer.weight, 0, 0.02, generator)
        self.eval().requires_grad_(requires_grad=False)

    def body(self, im_data):
        return tuple(layer(im_data) for layer in self.maps)

    def forward(self, im_data, im_info=None):
        from rfcn_voc.network import Head

        return Head()(*self.body(im_data), im_info)


TWINS = {"efficientdet_d0": Padded, "rfcn": Regions}


@contextlib.contextmanager
def twin_for(folder, monkeypatch):
    """Import modules from a model directory inside the block, with a twin in the place of its network."""
    facts = read_facts(folder)
    monkeypatch.syspath_prepend(folder)
    (package,) = (path.parent.name for path in folder.glob("*_*/__init__.py"))
    network = importlib.import_module(f"{package}.network")

    def load_checkpoint(path):
        assert path.is_file()
        return TWINS.get(facts.name, Twin)(facts)

    monkeypatch.setattr(network, "load_checkpoint", load_checkpoint)
    monkeypatch.setattr(download, "verify", lambda path, checkpoint: None)
    try:
        yield
    finally:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(f"{folder}/"):
                del sys.modules[name]


def bring(folder: Path, rehearsal: Path) -> None:
    """Write what a README tells its reader to bring: checkpoint, data set, pictures, the NPU's tools."""
    from evaluate import sample

    facts = read_facts(folder)
    (folder / "weights").mkdir(exist_ok=True)
    (folder / "weights" / facts.checkpoint.file).write_bytes(b"weights")
    bring_tools(rehearsal, folder)
    data = bring_sample(folder)
    (data if data.is_dir() else data.parent).joinpath("readme.txt").write_text("what came with the pictures")
    if facts.name == "rfcn":
        two_parts(data)
        # To the twin, all that is on the second picture is one class; the module is a copy.
        sample.OBJECTS["coffee"] = sample.OBJECTS.pop("chelsea")
    face = np.full((112, 112, 3), 100, np.uint8)
    names = ("family.jpg", "team.png", "street.jpg", "someone.jpg", "people/b.jpg", "a.png", "b.png", "c.png")
    for size, name in enumerate(names, 20):
        write_image(folder / name, cv2.circle(face.copy(), (56, 56), size, (200, 20, 90), -1))


def two_parts(folder: Path) -> None:
    """Leave two different pictures, in the first two of the parts that R-FCN's README takes one after the other."""
    (source,) = (folder / "JPEGImages").glob("chelsea.*")
    names = [next(f"{n:06}" for n in range(1000) if f"{n:06}" in Shard(k, 10)) for k in (1, 2)]
    picture = cv2.imread(str(source))
    for level, name in enumerate(names):  # what measures refuses a picture that never changes
        write_image(folder / "JPEGImages" / f"{name}{source.suffix}", picture // (1 + level))
        shutil.copy(folder / "Annotations" / "chelsea.xml", folder / "Annotations" / f"{name}.xml")
    (folder / "ImageSets/Main/test.txt").write_text("".join(f"{name}\n" for name in sorted(names)))


@pytest.fixture
def programs(tmp_path, noxfile, capsys, monkeypatch):
    layout.write(tmp_path / "rehearsal", settings.Settings(settings.SOC, chips=4))
    # The driver's npu-smi is on PATH before anything is sourced.
    monkeypatch.setenv("PATH", str(tmp_path / "rehearsal" / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where --backend auto remembers
    return Programs(tmp_path / "rehearsal", noxfile, capsys, monkeypatch)


def paste(readme: Path, programs: Programs) -> int:
    """Run a README's commands, compare what a dry run prints with what the README shows, and count them."""
    shell, count = Pasted(readme.parent, programs.table), 0
    for entry in read(readme):
        if isinstance(entry, Command):
            text = entry.text
            for long, short in SHORTER:
                text = re.sub(long, short, text)
            assert shell.run(replace(entry, text=text)) == 0, text
            count += 1
        elif entry.text.startswith("atc "):
            assert without_nodes(programs.printed) == without_nodes(entry.text)
    return count


def without_nodes(command: str) -> str:
    """Return an ATC command without the names of its output nodes: the twin's have others."""
    return re.sub(r'--out_nodes="[^"]*"', "", command)


def new_files(folder: Path) -> list[str]:
    """Return what git would add of a directory, which has to be nothing that its README brings or makes."""
    words = ("git", "status", "--porcelain", "--untracked-files=all", "--", ".")
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("model", MODELS)
def test_the_commands_of_a_models_readme_work_in_its_order(model, repository, programs, monkeypatch):
    folder = repository / model
    with twin_for(folder, monkeypatch):
        bring(folder, programs.rehearsal)
        assert paste(folder / "README.md", programs) > 10
    assert new_files(folder) == []


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "NPU.md", "common/README.md", "ascend_tools/README.md"]
)
def test_the_commands_of_the_other_readmes_work(name, repository, programs, monkeypatch):
    subprocess.run([*GIT, "clean", "-ffdxq"], cwd=repository, check=True)  # what another README had brought
    with twin_for(repository / "faceboxes", monkeypatch):
        bring(repository / "faceboxes", programs.rehearsal)
        assert paste(repository / name, programs)
    assert new_files((repository / name).parent) == []
