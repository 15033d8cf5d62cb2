"""Every README's commands pasted in its order, in a copy of the repository, each with exit status 0.

A twin stands in the place of each network, sample data in that of the published data sets, small programs in that of the
vendor's: what is tried is that each command finds what the ones before it have written. What cannot be run here stands
in `Programs` with the reason, and what can be said of it all the same is checked.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ascend_tools.testing.commands import call
from ascend_tools.testing.programs import npu_smi, program
from ascend_tools.testing.readme import Command, Pasted, read
from ascend_tools.testing.twin import Twin
from common.engine.shard import Shard
from common.export import download
from common.facts import read_facts
from common.images.read import write_image
from common.npu_files.results import DEVICE_FOLDER
from tests.conftest import DIRECTORIES, ROOT

__all__ = ["npu_smi", "program"]
FULL_SIZE = {"rfcn": pytest.mark.full_size}  # its head is
MODELS = [pytest.param(path.name, marks=FULL_SIZE.get(path.name, ())) for path in DIRECTORIES]
# What takes seconds is announced before.
ANNOUNCED = {
    "pth2onnx.py": ("starting torch, reading ", "exporting to ONNX ...\n", "comparing with torch ...\n"),
    "evaluate.py": ("starting torch, reading ", "exporting to ONNX ...\n"),
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


class Programs:
    """What the READMEs call, by the first word of the command."""

    def __init__(self, noxfile, capsys, monkeypatch):
        self.noxfile, self.capsys, self.monkeypatch = noxfile, capsys, monkeypatch
        self.printed = ""
        self.table = {
            "python": self.python,
            "nox": self.nox,
            "pip": self.pip,
            "source": self.source,
            "./benchmark.x86_64": self.benchmark,
            "python3": self.ais_infer,
            "git": self.git,
            "chmod": self.chmod,
            "trtexec": self.trtexec,
            "./trtexec": self.trtexec,
        }

    def call(self, folder, script, *words) -> int:
        done = call(folder, script, *words, capsys=self.capsys, monkeypatch=self.monkeypatch)
        slow = script == "common.throughput" and done.stdout.endswith("verdict: FAIL\n")  # this is no NPU
        assert done.returncode == int(slow), (script, *words, done.stderr)
        announced = (
            () if "-g" in words else ANNOUNCED.get(script, ())
        )  # stored faces are scored without torch
        assert [part for part in announced if part not in done.stderr] == []
        self.printed = done.stdout
        return 0

    def python(self, words, here):
        if "--provider" in words:  # a card, which is not here
            at = words.index("--provider")
            words = [*words[:at], *words[at + 2 :]]
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

    def trtexec(self, words, here):
        """NVIDIA's tool, for the comparison with a card of theirs."""
        words, log = before_tee(words, here)
        given = dict(word.lstrip("-").split("=", 1) for word in words[1:] if "=" in word)
        assert (here / given["onnx"]).is_file()
        if log:
            log.write_text(
                f"&&&& RUNNING TensorRT.trtexec # {' '.join(words)}\n[I] GPU Compute\n[I] mean: 40.5 ms\n"
            )
        return 0

    def source(self, words, here):
        """CANN's settings, on the NPU's host alone."""
        assert words == ["source", "/usr/local/Ascend/ascend-toolkit/set_env.sh"]
        return 0

    def benchmark(self, words, here):
        """The vendor's tool: what its inputs and its results are called is what matters here."""
        given = dict(word.lstrip("-").split("=") for word in words[1:])
        if "round" in given:  # pure inference
            assert (here / given["om_path"]).is_file()
            return 0
        text = "txt" if given["output_binary"] == "False" else "bin"
        assert (here / given["om_path"]).is_file()
        infer = ["common.infer", "--model", read_facts(here).onnx, "--input", given["input_text_path"]]
        infer += ["--batch-size", given["batch_size"], "--output-format", text]
        with tempfile.TemporaryDirectory() as out:
            self.call(here, *infer, "--out", out)
            written = Path(out)
            shutil.copytree(written / DEVICE_FOLDER, here / "result" / DEVICE_FOLDER, dirs_exist_ok=True)
            for perf in written.glob("perf_vision_*.txt"):
                shutil.copy(perf, here / "result")
        return 0

    def ais_infer(self, words, here):
        """The vendor's other tool: results in a directory named after date and time, numbered from 0, and a printout."""
        words, log = before_tee(words, here)
        assert words[1] == "ais_infer.py"
        flat = [part for word in words[2:] for part in word.split("=", 1)]
        given = dict(zip(flat[::2], flat[1::2], strict=True))
        assert (here / given["--model"]).is_file()
        run = here / given["--output"] / f"2026_01_01-00_00_{len(flat):02}"
        run.mkdir(parents=True, exist_ok=True)
        if "--input" in given:
            with tempfile.TemporaryDirectory() as out:
                infer = ["common.infer", "--model", read_facts(here).onnx, "--input", given["--input"]]
                self.call(here, *infer, "--out", out)
                for path in (Path(out) / DEVICE_FOLDER).iterdir():
                    stem, _, number = path.stem.rpartition("_")
                    shutil.copy(path, run / f"{stem}_{int(number) - 1}.bin")
        if log:
            log.write_text("[INFO] throughput 1000*batchsize(1)/NPU_compute_time.mean(4): 250.0\n")
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


def bring(folder: Path) -> None:
    """Write what a README tells its reader to bring: checkpoint, data set and pictures."""
    from evaluate import sample

    facts = read_facts(folder)
    (folder / "weights").mkdir(exist_ok=True)
    (folder / "weights" / facts.checkpoint.file).write_bytes(b"weights")
    data = {
        "faceboxes": "FDDB",
        "efficientdet_d0": "coco_data",
        "lresnet100e_ir": "data",
        "rfcn": "data/VOCdevkit2007/VOC2007",
        "pcb": "datasets/Market-1501",
    }
    sample.write_sample(folder / data[facts.name])
    (folder / data[facts.name] / "readme.txt").write_text("what came with the pictures, and is nobody else's")
    if facts.name == "rfcn":
        two_parts(folder / data[facts.name])
        for name in ("astronaut", "hopper"):  # two pictures are enough; the module is a copy
            del sample.OBJECTS[name]
    face = np.full((112, 112, 3), 100, np.uint8)
    names = ("family.jpg", "team.png", "street.jpg", "someone.jpg", "people/b.jpg", "a.png", "b.png", "c.png")
    for size, name in enumerate(names, 20):
        write_image(folder / name, cv2.circle(face.copy(), (56, 56), size, (200, 20, 90), -1))


def two_parts(folder: Path) -> None:
    """Leave two pictures, in the first two of the parts that R-FCN's README takes one after the other."""
    (source,) = (folder / "JPEGImages").glob("chelsea.*")
    names = [next(f"{n:06}" for n in range(1000) if f"{n:06}" in Shard(k, 10)) for k in (1, 2)]
    for name in names:
        shutil.copy(source, folder / "JPEGImages" / f"{name}{source.suffix}")
        shutil.copy(folder / "Annotations" / "chelsea.xml", folder / "Annotations" / f"{name}.xml")
    (folder / "ImageSets/Main/test.txt").write_text("".join(f"{name}\n" for name in sorted(names)))


@pytest.fixture
def programs(program, npu_smi, noxfile, capsys, monkeypatch):
    program(
        "atc",
        "import pathlib, sys\n"
        "given = dict(word.lstrip('-').split('=', 1) for word in sys.argv[1:])\n"
        "assert pathlib.Path(given['model']).is_file()\n"
        "pathlib.Path(given['output'] + '.om').write_text('OM')\n",
    )
    npu_smi("| 0 310P3 | OK | 15.8 42 |\n| 0 0 | 0000:80:00.0 | 0 |\n")
    return Programs(noxfile, capsys, monkeypatch)


def paste(readme: Path, programs: Programs) -> int:
    """Run a README's commands, compare what a dry run prints with what the README shows, and count them."""
    shell, count = Pasted(readme.parent, programs.table), 0
    for entry in read(readme):
        if isinstance(entry, Command):
            assert shell.run(entry) == 0, entry.text
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
        bring(folder)
        assert paste(folder / "README.md", programs) > 10
    assert new_files(folder) == []


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "NPU.md", "common/README.md", "ascend_tools/README.md"]
)
def test_the_commands_of_the_other_readmes_work(name, repository, programs, monkeypatch):
    with twin_for(repository / "faceboxes", monkeypatch):
        bring(repository / "faceboxes")
        assert paste(repository / name, programs)
    assert new_files((repository / name).parent) == []
