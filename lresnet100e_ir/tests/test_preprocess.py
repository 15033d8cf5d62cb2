"""preprocess.py and get_info.py: the files of the inputs, of the labels, the list of the inputs."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import preprocess
from lresnet_lfw import lfw
from lresnet_lfw.preprocessing import network_input
from tests.conftest import HERE, random_faces, read_json, write_lfw

BYTES = 150_528


def write(data, out):
    return preprocess.main(["--data", str(data), "--out", str(out)])


def snapshot(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("[!.]*.bin")}


def test_bins_and_labels_are_the_reference_ones(cases, tmp_path, capsys):
    folder = cases / "lfw_tiny"
    facts = read_json(folder / "expected.json")
    out = tmp_path / "lfw"
    assert write(folder / "lfw_tiny.bin", out) == 0
    assert len(list(out.glob("*.bin"))) == 2 * facts["images"]
    for name, bins in facts["bins"].items():
        for stem, key in ((name, "bin_sha256"), (f"{name}_flip", "flip_sha256")):
            content = (out / f"{stem}.bin").read_bytes()
            assert len(content) == facts["bin_bytes"] == BYTES
            assert hashlib.sha256(content).hexdigest() == bins[key], stem
    labels = np.load(tmp_path / "lfw_list.npy")
    assert (str(labels.dtype), list(labels.shape)) == tuple(facts["lfw_list_npy"].values())
    assert labels.tolist() == facts["issame"]
    assert f"{out}: 80 .bin files of 150528 bytes" in capsys.readouterr().out


@pytest.mark.parametrize("script", ["preprocess.py", "LResNet_preprocess.py"])
def test_the_guides_three_forms(script, lfw_bin, tmp_path, run):
    out, info, labels = lfw_bin.with_name("lfw"), tmp_path / "lfw.info", lfw_bin.with_name("lfw_list.npy")
    done = run(script, "jpg", lfw_bin, out)
    assert done.returncode == 0, done.stderr
    assert f"{labels}: 10 pairs, 5 of the same person" in done.stdout
    assert lfw.read_labels(labels).same.tolist() == [True, False] * 5
    names = {path.name for path in out.iterdir()}
    assert names == {f"{i}{end}.bin" for i in range(20) for end in ("", "_flip")} | {"preprocess.json"}

    done = run(script, "bin", out, info, 112, 112)
    assert done.returncode == 0, done.stderr
    listed = [line.split() for line in info.read_text().splitlines()]
    assert [row[0] for row in listed] == [str(i) for i in range(40)]
    assert {row[1] for row in listed} == {str(out / name) for name in names if name.endswith(".bin")}
    assert {tuple(row[2:]) for row in listed} == {("112", "112")}

    assert run("get_info.py", "bin", out, tmp_path / "again.info", 112, 112).returncode == 0
    assert (tmp_path / "again.info").read_bytes() == info.read_bytes()


def test_another_data_set_with_the_same_names_is_not_taken_for_the_first(lfw_bin, tmp_path, capsys):
    other, out = random_faces(10, seed=1), tmp_path / "prep"
    assert write(lfw_bin, out) == 0
    assert write(write_lfw(tmp_path / "other.bin", other), out) == 0
    for i, picture in enumerate(other):
        assert (out / f"{i}.bin").read_bytes() == network_input(picture).tobytes()
    note = "note: 20 more .bin files there belong to other pictures: 10, 10_flip, 11 and 17 more"
    assert note in capsys.readouterr().out
    assert len(np.load(tmp_path / "lfw_list.npy")) == 5


def test_a_killed_run_is_gone_on_with(tmp_path):
    data = write_lfw(tmp_path / "lfw.bin", random_faces(1) * 400)
    out = tmp_path / "prep"
    command = [sys.executable, "preprocess.py", "--data", str(data), "--out", str(out), "--workers", "1"]
    with subprocess.Popen(command, cwd=HERE) as process:
        deadline = time.monotonic() + 60
        while process.poll() is None and len(list(out.glob("[!.]*.bin"))) < 5 and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    early = snapshot(out)
    assert 5 <= len(early) < 800
    assert {len(content) for content, _ in early.values()} == {BYTES}
    assert not (tmp_path / "lfw_list.npy").exists()
    assert write(data, out) == 0
    after = snapshot(out)
    assert len(after) == 800
    assert len({content for content, _ in after.values()}) == 2  # all faces are the same
    assert len([name for name in early if early[name] == after[name]]) >= len(early) - 1
    assert not list(out.glob(".*"))


def test_no_data_set_is_told_before_anything_is_written(tmp_path, capsys):
    assert write(tmp_path, tmp_path / "prep") == 1
    words = f"error: {tmp_path}: not the LFW data set; expected:\n  DIR/lfw.bin"
    assert capsys.readouterr().err.startswith(words)
    assert not (tmp_path / "prep").exists()


@pytest.mark.parametrize("arguments", [[], ["jpg"], ["png", "lfw.bin", "lfw"], ["bin", "lfw", "lfw.info"]])
def test_wrong_usage_is_exit_status_2(arguments, run):
    done = run("preprocess.py", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: preprocess.py ")
