"""noxfile.py: what a deployment gets of a model directory, and what users write after `--`."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import AbortedError

tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


class Session:
    """Runs git, and remembers every other command."""

    def __init__(self, *posargs):
        self.posargs, self.commands = list(posargs), []
        self.invoked_from = "/"

    def run(self, *words, **_):
        if words[0] == "git":
            return subprocess.run(words, capture_output=True, text=True, check=True).stdout
        self.commands.append([str(word) for word in words])
        return "exported to /exports"

    def error(self, message):
        raise AbortedError(message)

    def chdir(self, folder):
        return contextlib.nullcontext()

    def create_tmp(self):
        return "tmp"

    def install(self, *words):
        pass

    log = install


@pytest.fixture
def model(noxfile, tmp_path, monkeypatch):
    """A repository with a model directory."""
    (tmp_path / "faceboxes" / "package").mkdir(parents=True)
    (tmp_path / "faceboxes" / "model.toml").write_text("")
    (tmp_path / "faceboxes" / "package" / "old.py").write_text("old\n")
    for words in (("git", "init", "--quiet"), ("git", "add", "--all")):
        subprocess.run(words, cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(noxfile, "ROOT", tmp_path)
    return tmp_path / "faceboxes"


def test_a_deployment_gets_the_sources_as_they_are_and_no_data(noxfile, model, tmp_path):
    (model / "package" / "old.py").write_text("changed\n")
    (model / "package" / "new.py").write_text("")
    (model / "my_data").mkdir()
    (model / "my_data" / "a.bin").write_text("")
    noxfile.copy_sources(Session(), "faceboxes", tmp_path / "copy")
    copied = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    names = sorted(str(path.relative_to(tmp_path / "copy" / "faceboxes")) for path in copied)
    assert names == ["model.toml", "package/new.py", "package/old.py"]
    assert (tmp_path / "copy" / "faceboxes" / "package" / "old.py").read_text() == "changed\n"


def test_a_directory_that_is_no_repository_is_told(noxfile, tmp_path, monkeypatch):
    monkeypatch.setattr(noxfile, "ROOT", tmp_path)
    with pytest.raises(AbortedError, match="no git repository"):
        noxfile.copy_sources(Session(), "faceboxes", tmp_path / "copy")


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        ([], ["--model=/exports/x.onnx"]),
        (["--data", "d"], ["--data", "d", "--model=/exports/x.onnx"]),
        (["--model", "f.onnx"], ["--model", "f.onnx"]),
        (["--model=f.onnx", "--data=d"], ["--model=f.onnx", "--data=d"]),
        (["--help"], ["--help"]),
    ],
)
@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("faceboxes-deploy", ["python", "deploy.py"]),
        ("faceboxes-rehearsal", ["python", "-m", "ascend_tools.rehearse.walk", "tmp/faceboxes"]),
    ],
)
def test_a_deployment_takes_the_users_model_or_an_export(words, passed, name, before, noxfile, monkeypatch):
    for helper in ("wheel", "test_python", "copy_sources"):
        monkeypatch.setattr(noxfile, helper, lambda *_: "made")
    noxfile.nox.project = type("Project", (), {"load_toml": lambda path: {"onnx": "model/x.onnx"}})
    session = Session(*words)
    noxfile.nox.sessions[name](session)
    *_, command = session.commands
    begin, arguments = command[: len(before)], command[len(before) :]
    assert [
        word.removeprefix(f"{Path.cwd()}/").removeprefix("tmp/faceboxes/tests/") for word in begin
    ] == before
    assert arguments == passed


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        ([], ["--model=/exports/x.onnx"]),
        (["--rounds", "1"], ["--rounds", "1", "--model=/exports/x.onnx"]),
        (
            ["--model", "a.om", "b.om", "--device", "0"],
            ["--model", "/here/a.om", "/here/b.om", "--device", "0"],
        ),
        (
            ["--model=/a.om", "--data=d", "--out", "o"],
            ["--model=/a.om", "--data=/here/d", "--out", "/here/o"],
        ),
        (["--read", "a.log", "--json"], ["--read", "/here/a.log", "--json"]),
        (["--help"], ["--help"]),
    ],
)
def test_a_benchmark_runs_in_the_models_directory_with_paths_as_the_user_sees_them(
    words, passed, noxfile, monkeypatch
):
    for helper in ("wheel", "test_python"):
        monkeypatch.setattr(noxfile, helper, lambda *_: "made")
    noxfile.nox.project = type("Project", (), {"load_toml": lambda path: {"onnx": "model/x.onnx"}})
    session = Session(*words)
    session.invoked_from = "/here"
    folders = []
    session.chdir = lambda folder: folders.append(folder) or contextlib.nullcontext()
    noxfile.nox.sessions["faceboxes-benchmark"](session)
    assert session.commands[-1] == ["python", "-m", "ascend_tools.benchmark", *passed]
    assert folders[-1] == noxfile.ROOT / "faceboxes"


def test_the_doctor_looks_where_its_user_stands(noxfile, monkeypatch):
    monkeypatch.setattr(noxfile, "wheel", lambda *_: "made")
    session = Session("--quick", "faceboxes")
    session.invoked_from = "/here"
    folders = []
    session.chdir = folders.append
    noxfile.nox.sessions["doctor"](session)
    assert session.commands == [["python", "-m", "ascend_tools.doctor", "--quick", "faceboxes"]]
    assert folders == ["/here"]


@pytest.mark.parametrize("name", ["faceboxes-rehearsal", "faceboxes-benchmark", "doctor"])
def test_what_ascend_tools_needs_is_pinned(name, noxfile, monkeypatch):
    installed = []
    for helper in ("test_python", "copy_sources"):
        monkeypatch.setattr(noxfile, helper, lambda *_: "made")
    monkeypatch.setattr(noxfile, "wheel", lambda session, library: f"{library}.whl")
    session = Session("--model", "f.onnx")
    session.install = lambda *words: installed.append(words)
    noxfile.nox.sessions[name](session)
    (words,) = installed
    assert words[:2] == ("-c", str(noxfile.CONSTRAINTS))
    assert words[-2:] == ("common.whl", "ascend_tools.whl")
    pinned = {line.partition("==")[0] for line in noxfile.CONSTRAINTS.read_text().splitlines()}
    assert {"psutil", "matplotlib", "scikit-image"} <= pinned


def test_the_pins_are_of_what_ascend_tools_needs_too(noxfile, tmp_path):
    noxfile.nox.project = type("Project", (), {"load_toml": lambda path: tomllib.loads(path.read_text())})
    session = Session()
    session.create_tmp = lambda: tmp_path
    noxfile.nox.sessions["constraints"](session)
    names = (tmp_path / "tools.txt").read_text().splitlines()
    assert str(tmp_path / "tools.txt") in session.commands[0]
    assert [name for name in names if name.startswith(("psutil", "matplotlib"))]
    assert not [name for name in names if name.startswith("ascend-guides")]


@pytest.mark.parametrize(
    ("name", "alone"), [("rehearsal", "NAME-rehearsal"), ("benchmark", "NAME-benchmark")]
)
def test_a_session_of_all_models_is_each_models_own(name, alone, noxfile):
    session = Session()
    session.notify = session.commands.append
    noxfile.nox.sessions[name](session)
    assert session.commands == [f"{model}-{name}" for model in noxfile.MODELS]
    with pytest.raises(AbortedError, match=f"nox -s {alone} -- ARGUMENTS"):
        noxfile.nox.sessions[name](Session("--data", "d"))


@pytest.mark.parametrize(("words", "shown"), [([], True), (["--limit", "2"], True), (["--help"], False)])
def test_an_evaluation_of_all_ends_with_a_table_of_its_own_figures(
    words, shown, noxfile, tmp_path, monkeypatch
):
    monkeypatch.setattr(noxfile, "ROOT", tmp_path)
    old = [tmp_path / model / "output" / "metrics.json" for model in noxfile.MODELS]
    for path in old[1:]:
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (noxfile.BEGAN - 60,) * 2)
    session = Session(*words)
    session.notify = session.commands.append
    noxfile.nox.sessions["eval"](session)
    assert session.commands == [f"{model}-eval" for model in noxfile.MODELS] + ["eval-table"] * shown
    assert [path.exists() for path in old] == [False] + [not shown] * 4


def test_what_a_session_before_has_measured_stays_for_the_table(noxfile, tmp_path, monkeypatch):
    """`nox -s faceboxes-eval eval`: nox runs no session twice."""
    monkeypatch.setattr(noxfile, "ROOT", tmp_path)
    earlier, now = (tmp_path / model / "output" / "metrics.json" for model in ("pcb", "faceboxes"))
    for path, age in ((earlier, -1), (now, 1)):
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (noxfile.BEGAN + age,) * 2)
    session = Session()
    session.notify = session.commands.append
    noxfile.nox.sessions["eval"](session)
    assert (earlier.exists(), now.exists()) == (False, True)


@pytest.mark.parametrize("words", [["--data", "d"], ["--model=f.onnx"], ["--out", "o"], ["--checkpoint=f"]])
def test_an_evaluation_of_all_takes_nothing_that_is_one_models(words, noxfile, tmp_path, monkeypatch):
    monkeypatch.setattr(noxfile, "ROOT", tmp_path)
    with pytest.raises(AbortedError, match="nox -s NAME-eval -- ARGUMENTS"):
        noxfile.nox.sessions["eval"](Session(*words))


def test_the_table_is_shown_by_noxs_own_python(noxfile):
    session, folders, settings = Session("--limit", "2"), [], {}
    run = session.run
    session.run = lambda *words, **options: settings.update(options) or run(*words)
    session.chdir = folders.append
    noxfile.nox.sessions["eval-table"](session)
    directories = [str(noxfile.ROOT / model) for model in noxfile.MODELS]
    assert session.commands == [[sys.executable, "-m", "ascend_tools.overview", *directories]]
    assert folders == [session.invoked_from]
    # What nox's own Python has of the repository's packages is this path alone.
    assert Path(settings["env"]["PYTHONPATH"], "ascend_tools", "overview.py").is_file()


def test_a_benchmark_that_is_none_is_told_before_anything_is_installed(noxfile):
    with pytest.raises(
        AbortedError, match="nosuch: no such benchmark; there are host, end_to_end, .*, faceboxes, "
    ):
        noxfile.nox.sessions["host-benchmark"](Session("faceboxes", "nosuch"))


@pytest.mark.parametrize(
    ("words", "scripts", "models", "passed"),
    [
        ([], ["host", "end_to_end", "inference", "growth", "scale", "search"], "all", []),
        (["faceboxes"], ["host", "end_to_end", "inference", "growth", "scale", "search"], ["faceboxes"], []),
        (["scale", "host", "--out", "d"], ["scale", "host"], "all", ["--out", "d"]),
        (["inference", "pcb", "rfcn", "--out=d"], ["inference"], ["pcb", "rfcn"], ["--out=d"]),
        (["--help"], ["host", "end_to_end", "inference", "growth", "scale", "search"], "all", ["--help"]),
    ],
)
def test_the_hosts_benchmarks_by_name(words, scripts, models, passed, noxfile, monkeypatch):
    monkeypatch.setattr(noxfile, "wheel", lambda *_: "made")
    session, installed = Session(*words), []
    session.install = lambda *words: installed.extend(words)
    noxfile.nox.sessions["host-benchmark"](session)
    models = noxfile.MODELS if models == "all" else models
    assert session.commands == [
        ["python", f"{noxfile.ROOT}/benchmarks/{name}.py", f"--models={','.join(models)}", *passed]
        for name in scripts
    ]
    files = [Path(word) for word in installed if word.endswith(".txt") and "constraints" not in word]
    all_files = [
        path
        for model in models
        for path in sorted((noxfile.ROOT / model).glob("requirements*"), key=lambda path: path.stem)
    ]
    assert files == all_files
    assert {"requirements", "requirements-openvino", "requirements-ray"} <= {path.stem for path in files}


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], False),
        (["--data", "openvino"], False),
        (["--backend", "om", "--out", "auto"], False),
        (["--backend", "openvino", "--precision", "bfloat16"], True),
        (["--limit", "3", "--backend=auto"], True),
        (["--back", "auto"], True),
        (["--batch-size", "16"], False),
        (["--engine", "ray", "--address", "auto"], False),
    ],
)
def test_an_evaluation_has_openvino_where_it_is_asked_for(words, asked, noxfile, monkeypatch):
    monkeypatch.setattr(noxfile, "wheel", lambda *_: "made")
    session, installed = Session(*words), []
    session.install = lambda *words: installed.extend(words)
    noxfile.nox.sessions["faceboxes-eval"](session)
    assert any(word.endswith("requirements-openvino.txt") for word in installed) is asked
    assert session.commands[-1][-len(words) :] == words or not words


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], False),
        (["--engine", "local", "--data", "ray"], False),
        (["--engine", "ray", "--address", "auto"], True),
        (["--limit", "3", "--engine=ray"], True),
        (["--eng", "ray"], True),
        (["--out", "ray"], False),
    ],
)
def test_an_evaluation_has_ray_where_it_is_asked_for(words, asked, noxfile, monkeypatch):
    monkeypatch.setattr(noxfile, "wheel", lambda *_: "made")
    session, installed = Session(*words), []
    session.install = lambda *words: installed.extend(words)
    noxfile.nox.sessions["faceboxes-eval"](session)
    files = [Path(word).name for word in installed if word.endswith(".txt")]
    assert ("requirements-ray.txt" in files) is asked
    assert "requirements-openvino.txt" not in files
    assert session.commands[-1][-len(words) :] == words or not words


def test_where_ray_is_and_where_it_is_not(noxfile, monkeypatch):
    """Tests and the host's benchmarks have it; deployments, the doctor and the types' check stay without."""
    for helper in ("wheel", "seeded_export", "copy_sources"):
        monkeypatch.setattr(noxfile, helper, lambda *_: Path("made"))
    for name, there in (
        ("faceboxes-deploy", False),
        ("doctor", False),
        ("lint", False),
        ("faceboxes-tests", True),
    ):
        session, installed = Session("--model", "f.onnx"), []
        session.python = None
        session.install = session.run = lambda *words, into=installed, **_: into.extend(map(str, words))
        noxfile.nox.sessions[name](session)
        assert any(word.endswith("faceboxes/requirements-ray.txt") for word in installed) is there


def test_where_openvino_is_and_where_it_is_not(noxfile, monkeypatch):
    """Benchmarks measure it, and the doctor says which precisions there are; a deployment stays small."""
    for helper in ("wheel", "test_python", "copy_sources"):
        monkeypatch.setattr(noxfile, helper, lambda *_: "made")
    for name, there in (("benchmark", True), ("deploy", False), ("rehearsal", False)):
        session, installed = Session("--model", "f.onnx"), []
        session.install = lambda *words, into=installed: into.extend(words)
        noxfile.nox.sessions[f"faceboxes-{name}"](session)
        assert any(word.endswith("faceboxes/requirements-openvino.txt") for word in installed) is there
