"""install_hint.py of every model directory: a missing package is told in one message with the command that installs it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import common
from tests.conftest import DIRECTORIES

HINT = "install_hint.py"
PIP = f"{shlex.quote(sys.executable)} -m pip"
FROM_CLONE = f"{PIP} install {Path('..', 'common')} -r requirements.txt"

pytestmark = pytest.mark.parametrize("folder", DIRECTORIES, ids=[path.name for path in DIRECTORIES])


def bare(folder: Path, *words: object, path: Path | str = "") -> subprocess.CompletedProcess[str]:
    """Run Python there without any package but those in `path`: -S leaves site-packages out."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-S", "-B", *map(str, words)]
    environment["PYTHONPATH"] = str(path)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def scripts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.py") if path.name != HINT)


def missing(folder: Path, package: str = r"\w+") -> re.Pattern[str]:
    """Return how the one message about a missing package begins; where Python has its packages is not looked at."""
    place = re.escape(str(folder))
    return re.compile(
        rf"error: no package '{package}' in \S+ or {place}\. Install what is needed there: .*\n\Z"
    )


def copied(folder: Path, target: Path) -> Path:
    """Copy the Python files of a model directory."""
    shutil.copytree(folder, target / "copy", ignore=lambda at, names: {*names} - {*wanted(Path(at), names)})
    return target / "copy"


def wanted(at: Path, names: list[str]) -> list[str]:
    return [name for name in names if name.endswith((".py", ".txt")) or (at / name / "__init__.py").is_file()]


def test_every_script_says_how_to_install_the_library(folder):
    assert {"evaluate.py", "get_info.py"} <= {*scripts(folder)}
    for script in scripts(folder):
        done = bare(folder, script, "--help")
        assert (done.returncode, done.stdout) == (1, ""), script
        assert missing(folder).match(done.stderr), script
        assert done.stderr.endswith(f": {FROM_CLONE}\n")


def test_every_script_says_how_to_install_what_the_library_needs(folder, tmp_path):
    (tmp_path / "common").symlink_to(Path(common.__file__).parent)
    for script in scripts(folder):
        done = bare(folder, script, "--help", path=tmp_path)
        assert (done.returncode, done.stdout) == (1, ""), script
        assert missing(folder, r"(?!common')\w+").match(done.stderr), script
        assert done.stderr.endswith(f": {FROM_CLONE}\n")


def test_a_package_that_is_missing_after_the_library_has_begun_is_told_too(folder):
    code = (
        "import runpy, sys; sys.modules['cv2'] = None; sys.path.insert(0, '')\n"
        "sys.argv = ['evaluate.py']; runpy.run_path('evaluate.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no package 'cv2' in ")
    assert done.stderr.endswith(f": {FROM_CLONE}\n")


def test_the_command_is_for_where_one_stands(folder):
    done = bare(folder.parent, f"{folder.name}/get_info.py")
    assert done.stderr.endswith(f": {PIP} install ./common -r {folder.name}/requirements.txt\n")
    done = bare(Path("/"), folder / "get_info.py")
    relative = os.path.relpath(folder, "/")
    assert done.stderr.endswith(
        f" install {os.path.relpath(folder.parent, '/')}/common -r {relative}/requirements.txt\n"
    )


def test_a_copied_directory_asks_for_the_wheel(folder, tmp_path):
    copy = copied(folder, tmp_path)
    wheel = "ascend_guides_common-0.1.0-py3-none-any.whl"
    done = bare(copy, "get_info.py")
    assert missing(copy, "common").match(done.stderr)
    assert done.stderr.endswith(
        f": {PIP} install ../ascend_guides_common-*.whl -r requirements.txt "
        "(in a clone of the repository, pip wheel --no-deps ./common makes that wheel)\n"
    )
    (tmp_path / wheel).touch()
    assert bare(copy, "get_info.py").stderr.endswith(f": {PIP} install ../{wheel} -r requirements.txt\n")
    (tmp_path / wheel).replace(copy / wheel)
    assert bare(copy, "get_info.py").stderr.endswith(f": {PIP} install ./{wheel} -r requirements.txt\n")


@pytest.mark.parametrize("kind", ["package", "module", "directory", "older version"])
def test_another_package_of_the_librarys_name_is_told_apart(folder, tmp_path, kind):
    place = tmp_path / "common" / "__init__.py"
    removed = ""
    if kind == "module":
        place = tmp_path / "common.py"
    place.parent.mkdir(exist_ok=True)
    if kind == "directory":
        place = place.parent
    else:
        place.touch()
    if kind in ("package", "older version"):
        name = "some-common" if kind == "package" else "ascend-guides-common"
        known = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        known.mkdir()
        (known / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (known / "RECORD").write_text("common/__init__.py,,\n")
        removed = f"{PIP} uninstall -y {name} && "
    for script in ("evaluate.py", "get_info.py"):
        done = bare(folder, script, path=tmp_path)
        assert done.returncode == 1
        if "no package" in done.stderr:  # numpy, which a script of its own asks for first
            continue
        assert done.stderr == (
            f"error: the package 'common' of {place} is not the library that is needed here, or another version of it. "
            f"Install that: {removed}{FROM_CLONE}\n"
        )
    assert "the package 'common' of " in done.stderr


def test_its_own_packages_go_before_installed_ones_of_the_same_name(folder, tmp_path):
    imports = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    own = [path.name for path in folder.iterdir() if path.is_dir() and f"from {path.name}." in imports]
    for name in own:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    code = f"import {', '.join(own)}; print({', '.join(f'{name}.__file__' for name in own)}, sep='\\n')"
    done = bare(folder, "-c", code, path=tmp_path)
    assert done.stdout.splitlines() == [f"{folder / name / '__init__.py'}" for name in own], done.stderr


def test_what_installing_would_not_mend_keeps_its_traceback(folder, tmp_path):
    copy = copied(folder, tmp_path)
    shutil.copy(folder / "model.toml", copy)
    (copy / "get_info.py").write_text("import install_hint\nfrom json import nothing\n")
    done = bare(copy, "get_info.py")
    assert done.stderr.startswith("Traceback ")
    assert "cannot import name 'nothing' from 'json'" in done.stderr


def test_an_older_python_is_told_what_is_needed(folder, tmp_path):
    copy = copied(folder, tmp_path)
    hint = (copy / HINT).read_text(encoding="utf-8")
    newer = re.sub(r"\(3, 10\)", "(3, 99)", hint)
    assert newer != hint
    (copy / HINT).write_text(newer, encoding="utf-8")
    done = bare(copy, "evaluate.py")
    version = ".".join(map(str, sys.version_info[:3]))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: expected Python 3.10 or later, found {version}")
