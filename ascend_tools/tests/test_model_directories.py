"""What every model directory has in common: who knows one knows all. A directory with a model.toml is one."""

from __future__ import annotations

import ast
import functools
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from common.facts import read_facts
from common.npu_tools import benchmark_tool, trtexec
from common.report.throughput_table import table
from tests.conftest import DIRECTORIES

HINT = "install_hint.py"  # no script: it stands there five times, for no directory imports another
STEPS = ("pth2onnx", "preprocess", "get_info", "postprocess", "evaluate", "predict")
MODULES = ("network", "preprocessing", "postprocessing", "task", "metric", "sample", "scoring")

pytestmark = pytest.mark.parametrize("folder", DIRECTORIES, ids=[path.name for path in DIRECTORIES])


def package_of(folder: Path) -> Path:
    """Return the one package of a model directory."""
    (found,) = [p.parent for p in folder.glob("*/__init__.py") if p.parent.name not in ("tests", "patches")]
    return found


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Return the first word of each module that a file imports."""
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    return names


@functools.cache
def helps(folder: Path) -> dict[str, str]:
    """Return what each script prints for --help where neither torch nor a runtime is installed."""
    code = (
        "import contextlib, io, json, pathlib, runpy, sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'torchvision', 'onnxruntime', 'onnxsim', 'skimage', 'ray', 'pyarrow')))\n"
        "sys.path.insert(0, '')\n"
        "found = {}\n"
        f"for script in sorted({{*pathlib.Path().glob('*.py')}} - {{pathlib.Path({HINT!r})}}):\n"
        "    sys.argv, printed = [script.name, '--help'], io.StringIO()\n"
        "    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):\n"
        "        runpy.run_path(script.name, run_name='__main__')\n"
        "    found[script.name] = printed.getvalue()\n"
        "print(json.dumps(found))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def readme_commands(folder: Path) -> list[list[str]]:
    """Return the Python commands in the code blocks of a README, continued lines joined."""
    text = (folder / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.strip().partition(" #")[0] for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("python ")]


def test_the_files_are_there(folder):
    package = package_of(folder)
    expected = [folder / f"{step}.py" for step in STEPS]
    expected += [package / f"{module}.py" for module in MODULES]
    files = ("requirements.txt", *(f"requirements-{name}.txt" for name in ("export", "openvino", "ray")))
    expected += [folder / name for name in ("README.md", *files)]
    expected += [folder / "patches", folder / "tests" / "deploy.py", folder / "tests" / "test_full_size.py"]
    assert [str(path) for path in expected if not path.exists()] == []


def test_openvino_is_pinned_and_the_same_in_all(folder):
    text = (folder / "requirements-openvino.txt").read_text(encoding="utf-8")
    assert text == (DIRECTORIES[0] / "requirements-openvino.txt").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if not line.startswith("#")]
    assert re.fullmatch(r"openvino==[0-9.]+", line)
    pins = (folder.parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert line in [pin.partition(" ;")[0] for pin in pins]


def test_ray_is_the_same_in_all_and_pinned_with_what_installs_packages_on_workers(folder):
    text = (folder / "requirements-ray.txt").read_text(encoding="utf-8")
    assert text == (DIRECTORIES[0] / "requirements-ray.txt").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if not line.startswith("#")]
    assert re.fullmatch(r"ray\[default\]>=[0-9.]+", line)
    pins = (folder.parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert {"ray", "virtualenv"} <= {pin.partition("==")[0] for pin in pins}


def test_every_script_imports_the_hint_before_all_else(folder):
    for path in folder.glob("*.py"):
        # An older Python, which the guides name, must get as far as the hint.
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
        lines = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        if path.name == HINT:
            assert imported(path) <= sys.stdlib_module_names
        else:
            assert next(line for line in lines if "__future__" not in line) == "import install_hint", path
    other = DIRECTORIES[0] / HINT
    assert (folder / HINT).read_text(encoding="utf-8") == other.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("task", {"prepare", "finish"}),
        ("network", {"load_checkpoint", "seeded"}),
        ("scoring", {"score"}),
        ("units", {"units_of"}),
        ("sample", {"write_sample"}),
    ],
)
def test_the_same_job_has_the_same_name(folder, module, names):
    tree = tree_of(package_of(folder) / f"{module}.py")
    assert names <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_it_imports_no_other_model_and_nothing_for_a_desk(folder):
    others = {package_of(path).name for path in DIRECTORIES if path != folder}
    forbidden = others | {path.name for path in DIRECTORIES} | {"ascend_tools"}
    sources = [path for path in folder.rglob("*.py") if path.relative_to(folder).parts[0] != "tests"]
    assert {path.name: bad for path in sources if (bad := imported(path) & forbidden)} == {}


def test_only_the_network_and_what_it_is_made_of_import_torch(folder):
    package = package_of(folder)
    with_torch = {path.stem for path in package.glob("*.py") if "torch" in imported(path)}
    outside = {
        name for path in package.glob("*.py") if path.stem not in with_torch for name in imported(path)
    }
    assert "network" in with_torch or folder.name == "efficientdet_d0"
    assert not {f"{package.name}.{name}" for name in with_torch} & outside
    scripts = [path for path in folder.glob("*.py") if "torch" in imported(path)]
    assert scripts == []


def test_no_second_way_to_the_network(folder):
    scripts = [folder / f"{step}.py" for step in ("evaluate", "predict", "preprocess", "postprocess")]
    words = {"run_batch", "InferenceSession", "ThreadPoolExecutor"}
    names = {
        p.name: {node.id for node in ast.walk(tree_of(p)) if isinstance(node, ast.Name)} for p in scripts
    }
    assert {name: bad for name, used in names.items() if (bad := used & words)} == {}


def test_every_script_says_what_it_does_without_torch_and_without_a_runtime(folder):
    for script, text in helps(folder).items():
        assert text.startswith(f"usage: {script} ")
        description = text.split("\n\n")[1]
        assert description[0].isupper()
        assert description.rstrip().endswith((".", ":"))


def test_the_readmes_commands_have_the_flags_that_they_name(folder):
    commands = readme_commands(folder)
    scripts = {words[1] for words in commands if words[1].endswith(".py")}
    assert {f"{step}.py" for step in STEPS if step != "get_info"} <= scripts
    texts = helps(folder)
    for words in commands:
        for flag in (word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)):
            assert words[1] not in texts or re.search(rf"{re.escape(flag)}\b", texts[words[1]]), words


def test_the_readme_quotes_the_facts(folder):
    facts, readme = read_facts(folder), (folder / "README.md").read_text(encoding="utf-8")
    shown = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", readme)}
    upstream = facts.accuracy.upstream.figures if facts.accuracy.upstream else {}
    figures = (facts.accuracy.published, facts.accuracy.npu, upstream)
    for figure in (value for named in figures for value in named.values()):
        assert {figure, round(figure, 4), round(100 * figure, 4)} & shown, figure
    for checkpoint in filter(None, (facts.checkpoint, facts.checkpoint.guides)):
        assert checkpoint.file in readme
        assert (checkpoint.sha256 or checkpoint.md5 or "") in readme
        ids = [part for url in checkpoint.urls for part in re.findall(r"[\w-]{22,}", url)]
        assert [name for name in ids if name not in readme] == []  # of Drive's and Baidu's files


def test_what_is_known_of_the_data_set_is_counted(folder):
    accuracy = read_facts(folder).accuracy
    scoring = tree_of(package_of(folder) / "scoring.py")
    texts = {node.value for node in ast.walk(scoring) if isinstance(node, ast.Constant)}
    assert accuracy.counts
    assert accuracy.counts.keys() <= texts
    assert accuracy.names is None or re.compile(accuracy.names)


def test_the_readme_has_the_table_that_the_command_prints(folder):
    def plain(row):
        return re.sub(r"-+:?", "-", re.sub(r"\s+", "", row))

    rows = [plain(line) for line in (folder / "README.md").read_text(encoding="utf-8").splitlines()]
    printed = [plain(line) for line in table(read_facts(folder).throughput)]
    assert printed[0] in rows
    assert rows[rows.index(printed[0]) :][: len(printed)] == printed


def test_the_readme_shows_printouts_of_the_guides_figures(folder):
    readme = (folder / "README.md").read_text(encoding="utf-8")
    throughput = read_facts(folder).throughput
    chips, times = (
        {figure for rates in figures.values() for figure in rates.values()}
        for figures in (throughput.chips, throughput.batch_ms)
    )
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    shown = "\n".join(block for language, block in blocks if language in ("", "text"))
    rates = {run.chip_rate for run in benchmark_tool.parse(shown)}
    means = {run.mean_ms for run in trtexec.parse(shown)}
    assert (rates - chips, means - times) == (set(), set())
    numbers = {float(number) for number in re.findall(r"(?<![\d.])\d+(?:\.\d+)?", readme)}
    runs = {figure for run in throughput.runs.values() for figure in (run.pictures, run.seconds)}
    assert (chips | times | runs) - numbers == set()
