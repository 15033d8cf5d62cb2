"""The project's sessions: `nox -l` lists them, `nox -s NAME -- ARGUMENTS` runs one.

Every directory with a model.toml is a model and gets three sessions, each in an environment of its own that holds
that model's requirements, pinned by constraints.txt, and the `common` wheel.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["tests"]

ROOT = Path(__file__).resolve().parent
MODELS = sorted(path.parent.name for path in ROOT.glob("*/model.toml"))
CONSTRAINTS = ROOT / "constraints.txt"
TEST_TOOLS = ("pytest>=8", "hypothesis>=6.100", "scikit-learn>=1.3")
LINT_TOOLS = ("ruff>=0.8", "mypy>=1.13", "types-tqdm")
PYTHON = "3.10"  # the oldest supported
# What the guides' steps leave in a model directory, and a deployment is not given.
MADE = (
    "weights",
    "output",
    "prep",
    "bin_save",
    "result*",
    "model",
    "data",
    "*_preproc_data_Ascend310",
    "bin",
    "out",
    "*.info",
    "*.onnx",
    "*.pt",
    "*.pth",
)

built: list[Path] = []


def wheel(session: nox.Session) -> Path:
    """Return the `common` wheel, built once per run of nox."""
    if not built:
        out = session.cache_dir.resolve() / "wheel"
        shutil.rmtree(out, ignore_errors=True)
        session.run(
            "uv", "build", "--quiet", "--wheel", f"--out-dir={out}", str(ROOT / "common"), external=True
        )
        built.extend(out.glob("*.whl"))
    return built[0]


def requirements(model: str, *names: str) -> list[str]:
    """Return the options that install a model's requirement files, pinned."""
    files = [word for name in names for word in ("-r", str(ROOT / model / f"{name}.txt"))]
    return ["-c", str(CONSTRAINTS), *files]


def define_sessions(model: str) -> None:
    """Define `<model>-tests`, `<model>-eval` and `<model>-deploy`."""

    def tests(session: nox.Session) -> None:
        everything = requirements(model, "requirements", "requirements-export")
        session.install(*everything, str(wheel(session)), *TEST_TOOLS)
        session.chdir(ROOT / model)
        session.run("python", "-m", "pytest", "tests", *session.posargs)

    def evaluate(session: nox.Session) -> None:
        session.install(*requirements(model, "requirements", "requirements-export"), str(wheel(session)))
        session.chdir(session.invoked_from)  # what the paths in the arguments are relative to
        out = f"--out={ROOT / model / 'output'}"
        session.run("python", str(ROOT / model / "evaluate.py"), out, *session.posargs)

    def deploy(session: nox.Session) -> None:
        session.install(*requirements(model, "requirements"), str(wheel(session)))
        session.run(
            "python", "-c", "import importlib.util as u; assert not u.find_spec('torch'), 'torch is here'"
        )
        work = Path(session.create_tmp()).resolve()
        copy = work / model
        shutil.rmtree(copy, ignore_errors=True)
        kept_out = shutil.ignore_patterns("__pycache__", *MADE)
        shutil.copytree(ROOT / model, copy, ignore=kept_out)
        inputs = session.posargs or make_inputs(session, model, work / "made")
        session.chdir(session.invoked_from)
        session.run("python", str(copy / "tests" / "deploy.py"), *inputs)

    tests.__doc__ = f"Run the tests of {model}; arguments go to pytest."
    evaluate.__doc__ = f"Measure {model} from checkpoint to verdict; arguments go to evaluate.py."
    deploy.__doc__ = (
        f"Run the steps of {model} in a lone copy of it, without torch; `-- --model F [--data DIR]`."
    )
    for name, function in (("tests", tests), ("eval", evaluate), ("deploy", deploy)):
        nox.session(function, name=f"{model}-{name}")


def make_inputs(session: nox.Session, model: str, out: Path) -> list[str]:
    """Export the model in an environment with torch and return the arguments that hand it to deploy.py."""
    session.log("no --model given: exporting one first, in an environment of its own")
    environment = out / "environment"
    session.run(
        "uv",
        "venv",
        "--quiet",
        "--clear",
        f"--python={session.virtualenv.bin}/python",
        str(environment),
        external=True,
    )
    everything = requirements(model, "requirements", "requirements-export")
    session.run(
        "uv",
        "pip",
        "install",
        "--quiet",
        f"--python={environment}",
        *everything,
        str(wheel(session)),
        external=True,
    )
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    session.run(str(python), str(ROOT / model / "evaluate.py"), f"--out={out}", external=True)
    onnx = Path(nox.project.load_toml(ROOT / model / "model.toml")["onnx"]).name
    return [f"--model={out / onnx}", f"--data={out / 'sample'}"]


for _model in MODELS:
    define_sessions(_model)


@nox.session(name="common-tests")
def common_tests(session: nox.Session) -> None:
    """Run the tests of the shared library; arguments go to pytest."""
    libraries = ("onnxruntime", "torch", "scikit-image", "matplotlib")
    session.install("-c", str(CONSTRAINTS), str(wheel(session)), *libraries, *TEST_TOOLS)
    session.chdir(ROOT / "common")
    session.run("python", "-m", "pytest", "tests", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff and types with mypy, strictly for the shared library."""
    deployment = [word for model in MODELS for word in requirements(model, "requirements")]
    session.install(*deployment, str(wheel(session)), *LINT_TOOLS)
    session.run("ruff", "check", str(ROOT))
    session.run("ruff", "format", "--check", str(ROOT))
    config = f"--config-file={ROOT / 'pyproject.toml'}"
    session.run("mypy", config, "--strict", str(ROOT / "common" / "src"))
    for model in MODELS:
        session.chdir(ROOT / model)
        session.run("mypy", config, ".", "--exclude=tests/", "--explicit-package-bases")


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run all tests: of the shared library, of every model, and every model's deployment without torch."""
    session.notify("common-tests")
    for model in MODELS:
        session.notify(f"{model}-tests")
        session.notify(f"{model}-deploy")


@nox.session(name="eval", venv_backend="none", default=False)
def evaluate_all(session: nox.Session) -> None:
    """Measure every model on its embedded default: sample pictures, compared with torch."""
    for model in MODELS:
        session.notify(f"{model}-eval")


@nox.session(default=False)
def benchmark(session: nox.Session) -> None:
    """Measure the host side of every model, or of those named, against the original scripts, and R-FCN against torch."""
    for model in session.posargs or MODELS:
        # Compiled, as pip installs it: the figures include a whole command with its imports.
        everything = requirements(model, "requirements", "requirements-export")
        session.install("--compile-bytecode", *everything, str(wheel(session)))
        session.run("python", str(ROOT / "benchmarks" / f"{model}.py"))


@nox.session(venv_backend="none", default=False)
def constraints(session: nox.Session) -> None:
    """Renew constraints.txt: the newest versions that work together on Python 3.10 and later."""
    tools = Path(session.create_tmp()).resolve() / "tools.txt"
    tools.write_text("\n".join((*TEST_TOOLS, *LINT_TOOLS)) + "\n")
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
