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
from common.engine import file_route
from lresnet_lfw import lfw
from lresnet_lfw.preprocessing import network_input
from tests.conftest import HERE, encode, random_faces, read_json, write_lfw

BYTES = 150_528


def snapshot(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("[!.]*.bin")}


def refusal(data, out, capsys):
    assert preprocess.main(["--data", str(data), "--out", str(out)]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    return message.removeprefix("error: ")


def test_bins_and_labels_are_the_reference_ones(cases, tmp_path, capsys):
    folder = cases / "lfw_tiny"
    facts = read_json(folder / "expected.json")
    out = tmp_path / "lfw"
    assert preprocess.main(["--data", str(folder / "lfw_tiny.bin"), "--out", str(out)]) == 0
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


def test_the_guides_three_forms(lfw_bin, tmp_path, run):
    out, info = lfw_bin.with_name("lfw"), tmp_path / "lfw.info"
    done = run("preprocess.py", "jpg", lfw_bin, out)
    assert done.returncode == 0, done.stderr
    assert f"{lfw_bin.with_name('lfw_list.npy')}: 10 pairs, 5 of the same person" in done.stdout
    assert np.load(lfw_bin.with_name("lfw_list.npy")).tolist() == [True, False] * 5
    names = {path.name for path in out.iterdir()}
    assert names == {f"{i}{end}.bin" for i in range(20) for end in ("", "_flip")} | {"preprocess.json"}

    done = run("preprocess.py", "bin", out, info, 112, 112)
    assert done.returncode == 0, done.stderr
    listed = [line.split() for line in info.read_text().splitlines()]
    assert [row[0] for row in listed] == [str(i) for i in range(40)]
    assert {row[1] for row in listed} == {str(out / name) for name in names if name.endswith(".bin")}
    assert {tuple(row[2:]) for row in listed} == {("112", "112")}

    assert run("get_info.py", "bin", out, tmp_path / "again.info", 112, 112).returncode == 0
    assert (tmp_path / "again.info").read_bytes() == info.read_bytes()

    before = snapshot(out)
    assert preprocess.main(["--data", str(lfw_bin), "--out", str(out)]) == 0
    assert snapshot(out) == before


def test_person_directories_give_the_same_files_as_the_packed_set(lfw_bin, tmp_path):
    folder = tmp_path / "people"
    lines = ["5"]
    for k in range(10):
        first, second = ("A", "A") if k % 2 == 0 else ("A", "B")
        for person, i in ((first, 2 * k), (second, 2 * k + 1)):
            path = folder / person / f"{person}_{i + 1:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(random_faces(20)[i]))
        lines.append(f"A {2 * k + 1} {2 * k + 2}" if k % 2 == 0 else f"A {2 * k + 1} B {2 * k + 2}")
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    for data, out in ((lfw_bin, "packed"), (folder, "unpacked")):
        assert preprocess.main(["--data", str(data), "--out", str(tmp_path / out / "prep")]) == 0
    packed, unpacked = tmp_path / "packed", tmp_path / "unpacked"
    for path in (packed / "prep").glob("*.bin"):
        assert path.read_bytes() == (unpacked / "prep" / path.name).read_bytes()
    assert (packed / "lfw_list.npy").read_bytes() == (unpacked / "lfw_list.npy").read_bytes()


def test_a_second_run_leaves_complete_files_alone_and_renews_the_rest(lfw_bin, tmp_path):
    out = tmp_path / "prep"
    arguments = ["--data", str(lfw_bin), "--out", str(out)]
    assert preprocess.main(arguments) == 0
    before = snapshot(out)
    (out / "3.bin").unlink()
    (out / "5_flip.bin").unlink()
    (out / "7.bin").write_bytes(bytes(BYTES - 1))
    (out / "9_flip.bin").write_bytes(b"")
    (tmp_path / "lfw_list.npy").unlink()
    assert preprocess.main(arguments) == 0
    after = snapshot(out)
    assert {name: content for name, (content, _) in after.items()} == {
        name: content for name, (content, _) in before.items()
    }
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"3.bin", "5_flip.bin", "7.bin", "9_flip.bin"}
    assert len(np.load(tmp_path / "lfw_list.npy")) == 10


def test_another_data_set_with_the_same_names_is_not_taken_for_the_first(lfw_bin, tmp_path, capsys):
    other = random_faces(10, seed=1)
    out = tmp_path / "prep"
    assert preprocess.main(["--data", str(lfw_bin), "--out", str(out)]) == 0
    capsys.readouterr()
    path = write_lfw(tmp_path / "other.bin", other)
    assert preprocess.main(["--data", str(path), "--out", str(out)]) == 0
    for i, picture in enumerate(other):
        assert (out / f"{i}.bin").read_bytes() == network_input(picture).tobytes()
    assert "note: 20 more .bin files there belong to other pictures: 10, 10_flip, 11 and 17 more" in (
        capsys.readouterr().out
    )
    assert len(np.load(tmp_path / "lfw_list.npy")) == 5


def test_a_killed_run_is_gone_on_with(tmp_path):
    picture = random_faces(1)[0]
    data = write_lfw(tmp_path / "lfw.bin", [picture] * 400)
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
    assert preprocess.main(command[2:]) == 0
    after = snapshot(out)
    assert len(after) == 800
    assert len({content for content, _ in after.values()}) == 2  # all faces are the same
    assert len([name for name in early if early[name] == after[name]]) >= len(early) - 1
    assert not list(out.glob(".*"))


def test_a_full_disk_is_told_in_one_message_and_gone_on_with(lfw_bin, tmp_path, monkeypatch, capsys):
    write, out = file_route.write_array, tmp_path / "prep"

    def full(path, array):
        if path.stem == "4_flip":
            raise OSError(28, "No space left on device", str(path))
        write(path, array)

    with monkeypatch.context() as patch:
        patch.setattr(file_route, "write_array", full)
        assert refusal(lfw_bin, out, capsys) == f"{out / '4_flip.bin'}: No space left on device\n"
    assert not (tmp_path / "lfw_list.npy").exists()
    before = snapshot(out)
    assert preprocess.main(["--data", str(lfw_bin), "--out", str(out)]) == 0
    after = snapshot(out)
    assert len(after) == 40
    assert all(before[name] == after[name] for name in before)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("truncated jpg", "lfw.bin: picture 13: the picture is truncated: "),
        ("truncated png", "lfw.bin: picture 13: the picture is truncated: "),
        ("no picture", "lfw.bin: picture 13: not a picture that OpenCV can read (5 bytes)"),
        ("empty", "lfw.bin: picture 13: not a picture that OpenCV can read (0 bytes)"),
        ("size", "lfw.bin: picture 13: expected an aligned face of 112x112 pixels, found 250x250"),
    ],
)
def test_a_bad_picture_is_named_by_its_number(damage, words, tmp_path, capsys):
    pictures = [encode(picture) for picture in random_faces(20)]
    pictures[13] = {
        "truncated jpg": encode(random_faces(20)[13], ".jpg")[:-200],
        "truncated png": pictures[13][:-200],
        "no picture": b"hello",
        "empty": b"",
        "size": encode(np.zeros((250, 250, 3), np.uint8)),
    }[damage]
    path = write_lfw(tmp_path / "lfw.bin", pictures)
    assert words in refusal(path, tmp_path / "prep", capsys)
    assert not (tmp_path / "prep" / "13.bin").exists()
    assert not (tmp_path / "lfw_list.npy").exists()


def test_a_bad_picture_of_a_person_is_named_by_its_file(tmp_path, capsys):
    folder = tmp_path / "lfw"
    for i, picture in enumerate((random_faces(1)[0], np.zeros((250, 250, 3), np.uint8)), 1):
        path = folder / "Bo" / f"Bo_{i:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture, ".jpg"))
    (folder / "pairs.txt").write_text("1\nBo 1 2\nBo 1 2\n")
    assert refusal(folder, tmp_path / "prep", capsys).startswith(
        f"1: {folder / 'Bo' / 'Bo_0002.jpg'}: expected an aligned face of 112x112 pixels, found 250x250"
    )


def test_no_data_set_is_told_before_anything_is_written(tmp_path, capsys):
    assert "not the LFW data set; expected:\n  DIR/lfw.bin" in refusal(tmp_path, tmp_path / "prep", capsys)
    assert not (tmp_path / "prep").exists()


@pytest.mark.parametrize("arguments", [[], ["jpg"], ["png", "lfw.bin", "lfw"], ["bin", "lfw", "lfw.info"]])
def test_wrong_usage_is_exit_status_2(arguments, run):
    done = run("preprocess.py", *arguments)
    assert (done.returncode, bool(done.stderr)) == (2, True)


def test_labels_written_by_the_step_are_read_by_the_next(lfw_bin):
    assert preprocess.main(["--data", str(lfw_bin), "--out", str(lfw_bin.with_name("lfw"))]) == 0
    labels = lfw_bin.with_name("lfw_list.npy")
    assert lfw.read_labels(labels).tolist() == lfw.read_labels(lfw_bin).tolist()
