"""The directory of a rehearsal, its settings in every shell, and the faults on request."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_tools.rehearse import __main__, faults, layout, settings
from ascend_tools.rehearse.atc_codes import CODES
from common import rehearsal
from common.errors import GuideError

SHELLS = [
    pytest.param(
        name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed here")
    )
    for name in ("sh", "bash", "zsh", "dash")
]


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, **options)


def bare():
    """An environment without settings of CANN or of a rehearsal."""
    return {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}


def tree(folder):
    """Return every file's bytes and permissions."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in paths
    }


def test_a_directory_is_written_and_written_again_the_same(tmp_path, capsys):
    folder = tmp_path / "it's a $HOME of `tools`"
    assert __main__.main([str(folder), "--chips", "4"]) == 0
    assert "4 x Ascend310P3, without an NPU" in capsys.readouterr().out
    before = tree(folder)
    (folder / "kept.txt").write_text("a user's")
    assert __main__.main([str(folder), "--chips", "4"]) == 0
    (folder / "kept.txt").unlink()
    assert tree(folder) == before
    assert __main__.main([str(folder), "--soc", "Ascend310", "--chips", "1"]) == 0
    assert settings.read(folder) == settings.Settings("Ascend310", 1, settings.CANN)


def test_what_is_not_a_rehearsals_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "data").write_text("x")
    (tmp_path / "file").write_text("x")
    wrong = {
        str(tmp_path / "mine"): "is not empty and no rehearsal's",
        str(tmp_path / "file"): "exists and is no directory",
        str(tmp_path / "a:b"): "PATH cannot hold",
    }
    for folder, message in wrong.items():
        assert __main__.main([folder]) == 1
        assert message in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["data"]
    assert not (tmp_path / "a:b").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--soc", "310P3"], "expected a chip as ATC names it"), (["--chips", "65"], "at most 64")],
)
def test_what_no_chip_is_called_is_refused(words, message, tmp_path, capsys):
    assert __main__.main([str(tmp_path / "r"), *words]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_directory_is_asked_for(capsys):
    with pytest.raises(SystemExit) as ended:
        __main__.main([])
    assert ended.value.code == 2


@pytest.mark.parametrize("shell", SHELLS)
def test_settings_are_sourced_from_any_directory_twice_and_strictly(shell, tmp_path):
    folder = tmp_path / "it's a $HOME of `tools`"
    layout.write(folder, settings.Settings())
    script = '. "$1"; . "$1"; command -v atc; env'
    done = run(shutil.which(shell), "-euc", script, "sh", str(folder / "set_env.sh"), cwd="/", env=bare())
    assert done.returncode == 0
    assert done.stderr == ""
    first, *lines = done.stdout.splitlines()
    assert first == f"{folder}/bin/atc"
    set_to = dict(line.split("=", 1) for line in lines if "=" in line)
    assert set_to["PATH"] == f"{folder}/bin:/usr/bin:/bin"
    assert set_to["PYTHONPATH"] == f"{folder}/python"
    assert set_to["LD_LIBRARY_PATH"].startswith(f"{folder}/")
    assert set_to["ASCEND_OPP_PATH"] == f"{folder}/opp"
    assert {set_to[name] for name in (rehearsal.VARIABLE, "ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH")} == {
        str(folder)
    }


def test_settings_of_a_rehearsal_that_was_moved_say_so(tmp_path):
    layout.write(tmp_path / "r", settings.Settings())
    (tmp_path / "r").rename(tmp_path / "moved")
    done = run("sh", "-c", '. "$1"', "sh", str(tmp_path / "moved" / "set_env.sh"), env=bare())
    assert "the rehearsal is no longer there" in done.stderr


def test_what_is_installed_has_the_release(rehearsal_folder):
    (info,) = rehearsal_folder.glob("*-linux/ascend_toolkit_install.info")
    assert f"version={settings.CANN}\n" in info.read_text()


def test_a_program_takes_no_module_from_where_it_is_called_and_needs_no_settings(rehearsal_folder, tmp_path):
    for name in ("common.py", "onnx.py", "numpy.py", "json.py", "importlib.py"):
        (tmp_path / name).write_text("raise SystemExit('a model directory has this')\n")
    done = run(rehearsal_folder / "bin" / "npu-smi", "info", cwd=tmp_path, env=bare())
    assert (done.returncode, done.stderr) == (0, "")
    assert "310P3" in done.stdout
    shutil.copy(rehearsal_folder / "bin" / "npu-smi", tmp_path / "copied")
    assert run("./copied", "info", cwd=tmp_path, env=bare()).stdout == done.stdout


def test_a_program_that_nobody_reads_ends(rehearsal_folder):
    done = run(
        "bash", "-c", 'set -o pipefail; "$1" --help | head -1', "sh", str(rehearsal_folder / "bin" / "atc")
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("usage: atc")


def test_python_finds_the_stand_ins_without_this_package_on_its_path(rehearsal_folder, tmp_path):
    """A deployment's Python has its own packages; what the stand-ins import is named in their files."""
    script = "import acl, ais_bench.infer.interface as i; print(acl.__name__, i.__name__, callable(i.InferSession))"
    done = run(
        sys.executable,
        "-c",
        script,
        cwd=tmp_path,
        env={**bare(), "PYTHONPATH": str(rehearsal_folder / "python")},
    )
    assert done.stdout == "ascend_tools.rehearse.acl ascend_tools.rehearse.ais_interface True\n", done.stderr


def test_faults_are_listed(capsys):
    assert __main__.main(["--faults"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in faults.FAULTS)


FAMILIES = ("no-devices:", "atc-python:")  # one line of a stand-in makes all of them


@pytest.mark.parametrize("name", [name for name in faults.FAULTS if name.removeprefix("atc:") not in CODES])
def test_each_fault_is_made_by_a_stand_in(name):
    modules = [path for path in Path(faults.__file__).parent.glob("*.py") if path.name != "faults.py"]
    literals = [f'"{name}"', *(f'f"{family}{{' for family in FAMILIES if name.startswith(family))]
    assert any(literal in path.read_text() for path in modules for literal in literals)


def test_an_unknown_fault_is_a_loud_error(sourced, capfd):
    sourced("device-taken:1", "result-shor")
    with pytest.raises(GuideError, match="did you mean 'result-short'"):
        faults.is_asked("nan")
    for wrong in ("device-taken:x", "nan:1", "atc:E99999"):
        sourced(wrong)
        with pytest.raises(GuideError, match="is no fault of a rehearsal"):
            faults.requested()
    assert run("npu-smi", "info").returncode == 2


def test_a_fault_is_of_all_devices_or_of_one(sourced):
    assert not faults.is_asked("device-taken", 0)
    sourced("device-taken:1", " nan ")
    assert [faults.is_asked("device-taken", device) for device in (0, 1, 11)] == [False, True, False]
    assert not faults.is_asked("device-taken")
    assert faults.is_asked("nan")
    sourced("device-taken")
    assert faults.is_asked("device-taken", 3)


def test_settings_that_are_damaged_or_missing_are_told(sourced, monkeypatch, tmp_path):
    (tmp_path / settings.FILE).write_text('{"soc": 3}')
    with pytest.raises(GuideError, match="not a rehearsal's settings"):
        settings.read(tmp_path)
    monkeypatch.delenv(rehearsal.VARIABLE)
    with pytest.raises(GuideError, match="no rehearsal is set up here"):
        settings.current()
