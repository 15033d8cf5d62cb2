"""The project's sessions: `nox -l` lists them, `nox -s NAME -- ARGUMENTS` runs one.

Every directory with a model.toml is a model. Its evaluation and its deployment get an environment of their own, which holds
that model's requirements, pinned by constraints.txt, and the `common` wheel; all tests share one.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["tests"]

ROOT = Path(__file__).resolve().parent
MODELS = sorted(path.parent.name for path in ROOT.glob("*/model.toml"))
LIBRARIES = ("common", "ascend_tools")
CONSTRAINTS = ROOT / "constraints.txt"
TEST_TOOLS = (
    "pytest>=8",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "scikit-learn>=1.3",
    "pycocotools>=2.0.7",
    "typing-extensions",
)
SAMPLE_PICTURES = ("matplotlib", "scikit-image")  # which carry them
BENCHMARKS = ("host", "end_to_end", "inference", "growth", "scale", "search")  # in benchmarks/
OPTIONAL = (  # requirement files, and with which option's values evaluate.py needs them
    ("requirements-openvino", "--backend", ("openvino", "auto")),
    ("requirements-ray", "--engine", ("ray",)),
)
LINT_TOOLS = ("ruff>=0.8", "mypy>=1.13", "types-tqdm")
PYTHON = "3.10"  # the oldest supported
OWN_MODEL = ("--model", "-h", "--help")  # after `--`: no export is made for these
PATHS = ("--model", "--data", "--out", "--read")  # and what follows these are paths
ONE_MODELS = ("--checkpoint", "--sha256", "--model", "--data", "--out")  # what is one evaluate.py's
BEGAN = time.time()  # when this run of nox did

built: dict[str, Path] = {}
made: dict[str, Path] = {}


def wheel(session: nox.Session, library: str) -> str:
    """Return the wheel of a library, built once per run of nox."""
    if library not in built:
        out = session.cache_dir.resolve() / "wheel" / library
        shutil.rmtree(out, ignore_errors=True)
        words = ("uv", "build", "--quiet", "--wheel", f"--out-dir={out}", str(ROOT / library))
        session.run(*words, external=True)
        built[library] = next(out.glob("*.whl"))
    return str(built[library])


def requirements(model: str, *names: str) -> list[str]:
    """Return the options that install a model's requirement files, pinned."""
    files = [word for name in names for word in ("-r", str(ROOT / model / f"{name}.txt"))]
    return ["-c", str(CONSTRAINTS), *files]


def all_requirements(model: str) -> list[str]:
    """Return the options that install all of a model's requirement files, pinned."""
    return requirements(model, *sorted(path.stem for path in (ROOT / model).glob("requirements*.txt")))


def test_python(session: nox.Session) -> str:
    """Return the Python of the environment that all tests share, made or renewed once per run of nox."""
    version = str(session.python or f"{sys.version_info.major}.{sys.version_info.minor}")
    if version not in made:
        folder = ROOT / ".nox" / f"tests-{version}"
        made[version] = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        if not made[version].exists():
            session.run("uv", "venv", "--quiet", f"--python={version}", str(folder), external=True)
        words = ["-c", str(CONSTRAINTS), *TEST_TOOLS]
        for model in MODELS:
            words += all_requirements(model)[2:]
        # The version of the libraries stays the same while their sources change.
        words += [f"--reinstall-package=ascend-guides-{name}" for name in ("common", "tools")]
        words += [wheel(session, library) for library in LIBRARIES]
        install = ("uv", "pip", "install", "--quiet", f"--python={made[version]}")
        session.run(*install, *words, external=True)
    return str(made[version])


def copy_sources(session: nox.Session, model: str, target: Path) -> None:
    """Copy what git has of a model directory, as it is now, and new Python files; no data that lies there."""
    if not (ROOT / ".git").exists():
        session.error(
            f"{ROOT}: no git repository, which says what belongs to {model}; clone it instead of unpacking it"
        )
    words = ("git", "ls-files", "-z", "--exclude-standard", "--cached", "--", model)
    listed = session.run(*words, external=True, silent=True) or ""
    words = ("git", "ls-files", "-z", "--exclude-standard", "--others", "--", f"{model}/*.py")
    listed += session.run(*words, external=True, silent=True) or ""
    shutil.rmtree(target / model, ignore_errors=True)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def seeded_export(session: nox.Session, model: str) -> Path:
    """Return the directory of the model's export with seeded weights, made if the sources have changed since."""
    session.log("no --model given: taking an export with seeded weights, made where there is torch")
    python = test_python(session)
    with session.chdir(ROOT / model):
        words = (python, "-m", "ascend_tools.testing.exports")
        printed = session.run(*words, external=True, silent=True)
    return Path(str(printed).split()[-1])


def asks_for(words: Sequence[str], option: str, values: Sequence[str]) -> bool:
    """Tell whether a command's words give an option one of some values; the option's name may be shortened."""
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        name, _, value = word.partition("=")
        if option.startswith(name) and (value or following) in values:
            return True
    return False


def seen_from(folder: Path, words: Sequence[str]) -> list[str]:
    """Return a command's words with its paths as they are seen from a folder, for a command that is run in another."""
    option, seen = "", []
    for word in words:
        before, equals, value = word.rpartition("=") if word.startswith("-") else ("", "", word)
        option = (before or word) if word.startswith("-") else option
        is_path = option in PATHS and option != word
        seen.append(f"{before}{equals}{folder / value}" if is_path else word)
    return seen


def define_tests(directory: str) -> None:
    """Define `<directory>-tests`."""

    def tests(session: nox.Session) -> None:
        python = test_python(session)
        session.chdir(ROOT / directory)
        # A file stays in one process: the networks of full size come one after the other.
        words = ("-m", "pytest", "tests", "-n2", "--dist=loadfile", *session.posargs)
        session.run(python, *words, external=True)

    tests.__doc__ = f"Run the tests of {directory}; arguments go to pytest."
    nox.session(tests, name=f"{directory}-tests", venv_backend="none")


def define_model(model: str) -> None:
    """Define `<model>-eval`, `<model>-deploy`, `<model>-rehearsal` and `<model>-benchmark`."""

    def evaluate(session: nox.Session) -> None:
        more = [name for name, option, values in OPTIONAL if asks_for(session.posargs, option, values)]
        words = requirements(model, "requirements", "requirements-export", *more)
        # The environment stays: importing torch into a new one takes longer than many a network. The library's version stays
        # the same while its sources change.
        again = [f"--reinstall-package=ascend-guides-{name}" for name in ("common", "tools")]
        session.install(*again, *words, *(wheel(session, library) for library in LIBRARIES))
        session.chdir(session.invoked_from)  # what the paths in the arguments are relative to
        out = f"--out={ROOT / model / 'output'}"
        # Bytecode is kept in the environment, also where containers are told to keep none: without it each run compiles torch anew.
        keep = {"PYTHONDONTWRITEBYTECODE": ""}
        session.run("python", str(ROOT / model / "evaluate.py"), out, *session.posargs, env=keep)

    def with_model(session: nox.Session, *others: str) -> list[str]:
        """Return what follows `--`, with --model where neither it nor one of the other options is given."""
        inputs: list[str] = [*session.posargs]
        if not any(word.startswith((*OWN_MODEL, *others)) for word in inputs):
            export = seeded_export(session, model)
            onnx = Path(nox.project.load_toml(ROOT / model / "model.toml")["onnx"]).name
            inputs.append(f"--model={export / onnx}")
        return inputs

    def copy_and_model(session: nox.Session) -> tuple[Path, list[str]]:
        """Return a lone copy of the model directory, without torch around it, and what follows `--`, --model included."""
        session.run(
            "python", "-c", "import importlib.util as u; assert not u.find_spec('torch'), 'torch is here'"
        )
        work = Path(session.create_tmp()).resolve()
        copy_sources(session, model, work)
        inputs = with_model(session)
        session.chdir(session.invoked_from)
        return work / model, inputs

    def install_tools(session: nox.Session, *more: str) -> None:
        """Install what the commands of `ascend_tools` need for this model, without torch."""
        libraries = (wheel(session, library) for library in LIBRARIES)
        session.install(*requirements(model, "requirements", *more), *SAMPLE_PICTURES, *libraries)

    def deploy(session: nox.Session) -> None:
        session.install(*requirements(model, "requirements"), wheel(session, "common"))
        copy, inputs = copy_and_model(session)
        # The script sees the tests' helpers; the steps that it runs see only what is installed.
        helpers = {"PYTHONPATH": str(ROOT / "ascend_tools" / "src")}
        session.run("python", str(copy / "tests" / "deploy.py"), *inputs, env=helpers)

    def rehearse(session: nox.Session) -> None:
        install_tools(session)
        copy, inputs = copy_and_model(session)
        session.run("python", "-m", "ascend_tools.rehearse.walk", str(copy), *inputs)

    def measure(session: nox.Session) -> None:
        install_tools(session, "requirements-openvino")
        inputs = seen_from(Path(session.invoked_from), with_model(session, "--read"))
        session.chdir(ROOT / model)
        session.run("python", "-m", "ascend_tools.benchmark", *inputs)

    evaluate.__doc__ = (
        f"Measure {model} from checkpoint to verdict; arguments go to evaluate.py, as `-- --backend auto`."
    )
    deploy.__doc__ = (
        f"Run the steps of {model} in a lone copy of it, without torch; `-- [--model F] [--data DIR]`."
    )
    rehearse.__doc__ = f"Walk the README of {model} with stand-ins in the NPU's place, without torch; `-- [--model F] [--data DIR]`."
    measure.__doc__ = f"Measure the throughput of {model} on this machine, without torch; arguments go to ascend_tools.benchmark."
    nox.session(evaluate, name=f"{model}-eval", reuse_venv=True)
    nox.session(deploy, name=f"{model}-deploy")
    nox.session(rehearse, name=f"{model}-rehearsal")
    nox.session(measure, name=f"{model}-benchmark")


for _directory in (*LIBRARIES, *MODELS):
    define_tests(_directory)
for _model in MODELS:
    define_model(_model)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and types."""
    deployment = [word for model in MODELS for word in requirements(model, "requirements")]
    session.install(*deployment, *LINT_TOOLS, wheel(session, "common"))
    session.run("ruff", "check", str(ROOT))
    session.run("ruff", "format", "--check", str(ROOT))
    config = f"--config-file={ROOT / 'pyproject.toml'}"
    session.run("mypy", config, "--strict", *(str(ROOT / library / "src") for library in LIBRARIES))
    for model in MODELS:
        session.chdir(ROOT / model)
        session.run("mypy", config, ".", "--exclude=tests/", "--explicit-package-bases")


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run all tests, every model's deployment without torch, a rehearsal; `-- -m "not full_size"`: only the quick tests.

    Arguments go to pytest, and neither deployment nor rehearsal follows then.
    """
    for directory in (*LIBRARIES, *MODELS):
        session.notify(f"{directory}-tests")
    if not session.posargs:
        for model in MODELS:
            session.notify(f"{model}-deploy")
        session.notify("faceboxes-rehearsal")  # the smallest network, and has AIPP; `rehearsal` walks all


@nox.session(name="eval", venv_backend="none", default=False)
def evaluate_all(session: nox.Session) -> None:
    """Measure every model on its embedded default, sample pictures, compared with torch; ends with one table."""
    words = [word.partition("=")[0] for word in session.posargs]
    if set(ONE_MODELS) & set(words):
        session.error(
            f"{', '.join(ONE_MODELS[:-1])} and {ONE_MODELS[-1]} are one network's: nox -s NAME-eval -- ARGUMENTS"
        )
    for model in MODELS:
        session.notify(f"{model}-eval")
    if not {"-h", "--help"} & set(words):
        for model in MODELS:
            # The table shows no figures of an earlier run; what a session has measured in this one is not measured again.
            figures = ROOT / model / "output" / "metrics.json"
            if figures.exists() and figures.stat().st_mtime < BEGAN:
                figures.unlink()
        session.notify("eval-table")


@nox.session(name="eval-table", venv_backend="none", default=False)
def evaluation_table(session: nox.Session) -> None:
    """Show what the last evaluation of each model gave, without running any; fails where one of them failed."""
    # Nox's own Python shows it: the table needs no package.
    session.chdir(session.invoked_from)
    words = (sys.executable, "-m", "ascend_tools.overview", *(str(ROOT / model) for model in MODELS))
    session.run(*words, external=True, env={"PYTHONPATH": str(ROOT / "ascend_tools" / "src")})


@nox.session(venv_backend="none", default=False)
def rehearsal(session: nox.Session) -> None:
    """Walk every model's README with stand-ins in the NPU's place, on seeded weights and sample data."""
    if session.posargs:
        session.error("a model and data are one network's: nox -s NAME-rehearsal -- ARGUMENTS")
    for model in MODELS:
        session.notify(f"{model}-rehearsal")


@nox.session(venv_backend="none", default=False)
def benchmark(session: nox.Session) -> None:
    """Measure every model's throughput on this machine, on seeded weights and sample pictures."""
    if session.posargs:
        session.error(
            "a model and data are one network's: nox -s NAME-benchmark -- ARGUMENTS; "
            "against the original scripts: nox -s host-benchmark -- NAME"
        )
    for model in MODELS:
        session.notify(f"{model}-benchmark")


@nox.session(default=False)
def doctor(session: nox.Session) -> None:
    """Say what this machine has and lacks for the way to the NPU; arguments go to ascend_tools.doctor."""
    files = ("requirements", "requirements-openvino")
    deployment = [word for model in MODELS for word in requirements(model, *files)]
    session.install(*deployment, *(wheel(session, library) for library in LIBRARIES))
    session.chdir(session.invoked_from)
    session.run("python", "-m", "ascend_tools.doctor", *session.posargs)


@nox.session(name="host-benchmark", default=False)
def host_benchmark(session: nox.Session) -> None:
    """Measure the host and the CPU: `-- [host] [end_to_end] [inference] [growth] [scale] [search] [MODEL ...] [--out DIR]`.

    Without a name of benchmarks/ all six are run, without a model all five; what begins with the first option goes to each.
    """
    names = list(itertools.takewhile(lambda word: not word.startswith("-"), session.posargs))
    for name in names:
        if name not in (*BENCHMARKS, *MODELS):
            session.error(f"{name}: no such benchmark; there are {', '.join((*BENCHMARKS, *MODELS))}")
    models = [name for name in names if name in MODELS] or MODELS
    words = [word for model in models for word in all_requirements(model)[2:]]
    # Compiled, as pip installs it: the figures include a whole command with its imports.
    libraries = (wheel(session, library) for library in LIBRARIES)
    session.install("--compile-bytecode", "-c", str(CONSTRAINTS), *words, *SAMPLE_PICTURES, *libraries)
    session.chdir(session.invoked_from)  # what --out is relative to
    for name in [name for name in names if name in BENCHMARKS] or BENCHMARKS:
        script = str(ROOT / "benchmarks" / f"{name}.py")
        session.run("python", script, f"--models={','.join(models)}", *session.posargs[len(names) :])


@nox.session(venv_backend="none", default=False)
def constraints(session: nox.Session) -> None:
    """Renew constraints.txt: the newest versions that work together on Python 3.10 and later."""
    tools = Path(session.create_tmp()).resolve() / "tools.txt"
    desk = nox.project.load_toml(ROOT / "ascend_tools" / "pyproject.toml")["project"]["dependencies"]
    others = [name for name in desk if not name.startswith("ascend-guides")]  # PyPI does not have ours
    tools.write_text("\n".join((*TEST_TOOLS, *LINT_TOOLS, *others)) + "\n")
    files = [str(path) for model in MODELS for path in sorted((ROOT / model).glob("requirements*.txt"))]
    session.run(
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--upgrade",
        f"--python-version={PYTHON}",
        "--no-annotate",
        "--custom-compile-command=nox -s constraints",
        f"--output-file={CONSTRAINTS}",
        str(ROOT / "common" / "pyproject.toml"),
        *files,
        str(tools),
        external=True,
    )
