"""From pictures to the network's input: the letterbox, and preprocess.py with its files."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import preprocess
from ascend_tools.testing import pictures
from common.errors import GuideError
from faceboxes_fddb.preprocessing import letterbox
from faceboxes_fddb.task import prepare, prepare_picture
from tests.conftest import HERE, read_json, write_data


def naive_letterbox(image):
    """Nearest neighbour by its rule: source index = min(floor(target index / factor), last)."""
    height, width = image.shape[:2]
    factor = 1024 / max(height, width)
    rows = np.minimum(np.floor(np.arange(round(height * factor)) * (1 / factor)), height - 1).astype(int)
    columns = np.minimum(np.floor(np.arange(round(width * factor)) * (1 / factor)), width - 1).astype(int)
    canvas = np.zeros((1024, 1024, 3), np.uint8)
    canvas[: len(rows), : len(columns)] = image[rows[:, None], columns]
    return canvas, factor


def check_with_opencv(height, width, seed):
    """Compare with the original's calls."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    factor = 1024 / max(height, width)
    resized = cv2.resize(
        image.astype(np.float32), None, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST
    )
    expected = np.zeros((1024, 1024, 3), np.uint8)
    expected[: resized.shape[0], : resized.shape[1]] = resized
    np.testing.assert_array_equal(letterbox(image)[0], expected)


@pytest.mark.parametrize("short", ["height", "width"])
def test_every_row_and_column_is_the_one_that_opencv_takes(short):
    """A few pixels beside sides like those of FDDB, and longer ones: what is rounded differs from length to length."""
    for longer in (*range(3, 500, 7), *range(500, 4001, 211)):
        shorter = -(-longer // 500)
        check_with_opencv(*((shorter, longer) if short == "height" else (longer, shorter)), seed=longer)


@given(height=st.integers(300, 700), width=st.integers(300, 700), seed=st.integers(0, 9))
def test_pictures_are_resized_as_opencv_does(height, width, seed):
    check_with_opencv(height, width, seed)


@example(height=1025, width=2048, seed=0)  # half a row is rounded to even: 512 rows
@example(height=1027, width=2048, seed=0)  # 514
@given(height=st.integers(1, 1500), width=st.integers(1, 1500), seed=st.integers(0, 9))
def test_letterbox_follows_the_rule(height, width, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    if round(min(height, width) * 1024 / max(height, width)) < 1:
        with pytest.raises(GuideError, match="too narrow"):
            letterbox(image)
        return
    canvas, factor = letterbox(image)
    expected, expected_factor = naive_letterbox(image)
    assert factor == expected_factor
    np.testing.assert_array_equal(canvas, expected)


def test_the_factor_is_rounded_for_pictures_of_the_data_set_only(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((600, 450, 3), np.uint8))
    assert prepare(tmp_path / "a.png")[1] == 1.707
    assert prepare_picture(tmp_path / "a.png")[1] == 1024 / 600


def test_bins_and_lines_are_the_reference_ones(cases, library_pictures, tmp_path, capsys):
    expected = read_json(cases / "preprocess" / "images.json")
    data = write_data(tmp_path / "FDDB", {name: library_pictures[name] for name in expected})
    assert preprocess.main(["--data", str(data), "--out", str(tmp_path / "prep")]) == 0
    assert "5 .bin files of 3145728 bytes" in capsys.readouterr().out
    for case in expected.values():
        content = (tmp_path / "prep" / case["bin_file"]).read_bytes()
        assert len(content) == case["bin_bytes"]
        assert hashlib.sha256(content).hexdigest() == case["bin_sha256"]
    assert (tmp_path / "prep" / "FDDB.txt").read_text() == (cases / "preprocess" / "FDDB.txt").read_text()


def test_guide_flags_write_one_bin_per_picture_and_their_lines(data, tmp_path, run):
    out = tmp_path / "prep"
    done = run("preprocess.py", "--dataset", data, "--save-folder", out)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in out.iterdir()}
    assert len(names) == 14
    assert {"FDDB.txt", "preprocess.json", "2002_08_00_big_img_0.bin", "2003_01_a.b_1.c.bin"} <= names
    lines = (out / "FDDB.txt").read_text().splitlines()
    assert lines[0] == "2002_08_00_big_img_0 1024.000 1024.000 16.000"
    assert len(lines) == 12
    image = cv2.imread(str(data / "originalPics/2002/08/03/big/img_3.jpg"))
    expected, _ = naive_letterbox(image)
    assert (out / "2002_08_03_big_img_3.bin").read_bytes() == expected.tobytes()


def snapshot(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("[!.]*.bin")}


def test_a_second_run_leaves_complete_files_alone_and_renews_the_rest(data, tmp_path):
    out = tmp_path / "prep"
    arguments = ["--data", str(data), "--out", str(out)]
    assert preprocess.main(arguments) == 0
    before, lines = snapshot(out), (out / "FDDB.txt").read_text()
    (out / "2002_08_01_big_img_1.bin").unlink()
    (out / "2002_08_02_big_img_2.bin").write_bytes(b"cut")
    newer = data / "originalPics/2002/08/03/big/img_3.jpg"
    newer.write_bytes(cv2.imencode(".png", np.full((30, 60, 3), 7, np.uint8))[1].tobytes())
    assert preprocess.main(arguments) == 0
    after = snapshot(out)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"2002_08_0{i}_big_img_{i}.bin" for i in (1, 2, 3)}
    for i in (1, 2):
        name = f"2002_08_0{i}_big_img_{i}.bin"
        assert after[name][0] == before[name][0]
    assert (out / "FDDB.txt").read_text() == lines.replace(
        "img_3 1024.000 1024.000 16.000", "img_3 1024.000 1024.000 17.067"
    )


def test_a_run_that_is_killed_twice_goes_on_each_time(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    data = write_data(tmp_path / "FDDB", {f"p/{i:03d}": picture for i in range(60)})
    out, early = tmp_path / "prep", []
    command = [sys.executable, "preprocess.py", "--data", str(data), "--out", str(out), "--workers", "1"]
    for enough in (5, 15):
        with subprocess.Popen(command, cwd=HERE) as process:
            deadline = time.monotonic() + 60
            while len(list(out.glob("p_*.bin"))) < enough and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        early.append(snapshot(out))
        assert enough <= len(early[-1]) < 60
        assert not (out / "FDDB.txt").exists()
        assert all(len(content) == 3145728 for content, _ in early[-1].values())
    assert preprocess.main(command[2:]) == 0
    after = snapshot(out)
    assert len(after) == 60
    assert len({content for content, _ in after.values()}) == 1
    for before in early:
        kept = [name for name in before if before[name] == after[name]]
        assert len(kept) >= len(before) - 3  # at most those whose line was not yet written are made again
    assert len((out / "FDDB.txt").read_text().splitlines()) == 60
    assert not (out / "FDDB.txt.part").exists()


def test_a_truncated_picture_is_named_and_leaves_no_file(data, tmp_path, run):
    path = data / "originalPics/2002/08/05/big/img_5.jpg"
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes()[:9000])
    done = run("preprocess.py", "--data", data, "--out", tmp_path / "prep", "--workers", 1)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}: the picture is truncated")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "prep/2002_08_05_big_img_5.bin").exists()
    assert not (tmp_path / "prep/FDDB.txt").exists()


BAD_DATA = {
    "empty lists": "name no picture",
    "missing picture": "1 of 12 pictures are missing",
    "missing list": "FDDB-fold-04-ellipseList.txt missing",
    "no data": "FDDB-fold-01-ellipseList.txt, FDDB-fold-02-ellipseList.txt",
    "name outside": "leaves the data set's directory",
}


@pytest.mark.parametrize("damage", BAD_DATA)
def test_bad_data_is_told_in_one_message(damage, data, tmp_path, run):
    lists = sorted((data / "FDDB-folds").iterdir())
    if damage == "empty lists":
        for path in lists:
            path.write_text("")
    elif damage == "missing picture":
        (data / "originalPics/2002/08/05/big/img_5.jpg").unlink()
    elif damage == "missing list":
        lists[3].unlink()
    elif damage == "name outside":
        lists[0].write_text("../../secret\n0\n")
    source = tmp_path / "nothing" if damage == "no data" else data
    done = run("preprocess.py", "--data", source, "--out", tmp_path / "prep")
    assert done.returncode == 1
    assert BAD_DATA[damage] in done.stderr
    assert not (tmp_path / "prep").exists()


@pytest.mark.parametrize("folder", ["images", "."])
def test_pictures_may_lie_in_the_other_places(folder, data, tmp_path):
    (data / "originalPics").rename(data / "moved")
    target = data / folder
    target.mkdir(exist_ok=True)
    for path in (data / "moved").iterdir():
        path.rename(target / path.name)
    (data / "FDDB-folds").rename(data / "ground_truth")
    assert preprocess.main(["--data", str(data), "--out", str(tmp_path / "prep")]) == 0
    assert len(list((tmp_path / "prep").glob("*.bin"))) == 12


def test_a_damaged_picture_is_refused_in_a_data_set_and_noted_as_ones_own(tmp_path, capsys):
    note = pictures.check_damaged(tmp_path, prepare, prepare_picture, (200, 150))
    assert note in capsys.readouterr().out


def test_ones_own_picture_is_turned_upright(tmp_path):
    pictures.check_turned(tmp_path, prepare_picture, (200, 150))
