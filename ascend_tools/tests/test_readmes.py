"""Every README's commands pasted in its order, in a copy of the repository, each with exit status 0.

A twin stands in the place of each network, sample data in that of the published data sets, a rehearsal in that of the NPU's
tools: what is tried is that each command finds what the ones before it have written. What cannot be run here stands in
`Programs` with the reason, and what can be said of it all the same is checked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ascend_tools.rehearse import layout, settings
from ascend_tools.rehearse.readme import Command, read
from ascend_tools.rehearse.walk import bring_sample, bring_tools
from ascend_tools.testing.readme import Pasted
from common.engine.shard import Shard
from common.facts import read_facts
from common.images.read import write_image
from tests.conftest import DIRECTORIES, ROOT
from tests.readme_programs import Programs
from tests.readme_twins import twin_for

FULL_SIZE = {"rfcn": pytest.mark.full_size}  # its head is
MODELS = [pytest.param(path.name, marks=FULL_SIZE.get(path.name, ())) for path in DIRECTORIES]
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
    names += ("faces/a.png", "faces/b.png")
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
