"""The embeddings of a directory of faces, here a tiny twin's, stored and searched."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest

from common import embedding
from common.gallery.array_writer import ArrayWriter
from common.gallery.made import Made
from tests.conftest import HERE, encode, make_twin, random_faces, read_json

BAD = ("b/02.png", "b/03.png", "c/14.png")  # by the time that they are made so


@pytest.fixture
def faces(tmp_path):
    """Twenty faces in three directories."""
    folder = tmp_path / "faces"
    for number, face in enumerate(random_faces(20)):
        path = folder / "abc"[number // 7] / f"{number % 7 + 10 * (number // 14):02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(face))
    return folder


@pytest.fixture
def embed(faces, twin_onnx, run):
    """Run embed.py with the twin."""
    return lambda out, *more: run(
        "embed.py", faces, "--model", twin_onnx, "--out", out, "--batch-size", 3, *more
    )


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_of(faces):
    return sorted(path.relative_to(faces).as_posix() for path in faces.rglob("*.png"))


def test_a_row_is_the_embedding_that_predict_compares(faces, embed, twin_onnx, tmp_path, run):
    out = tmp_path / "features.npy"
    done = embed(out)
    assert done.returncode == 0, done.stderr
    assert f"{out}: 20 rows of 512 float32; 20 pictures in " in done.stdout
    rows = np.load(out)
    assert (rows.shape, rows.dtype) == ((20, 512), np.float32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
    some = [faces / name for name in names_of(faces)[:4]]
    assert run("predict.py", *some, "--model", twin_onnx, "--out", tmp_path).returncode == 0
    pairs = read_json(tmp_path / "similarity.json")["pairs"]
    found = [np.square(rows[i] - rows[j]).sum() for i in range(4) for j in range(i + 1, 4)]
    np.testing.assert_allclose([pair["squared distance"] for pair in pairs], found, atol=2e-6)


@pytest.mark.parametrize("kind", ["npy", "parquet"])
def test_what_was_stored_is_searched(kind, faces, embed, twin_onnx, tmp_path, run):
    out = tmp_path / f"features.{kind}"
    assert embed(out).returncode == 0
    (faces / "a" / "00.png").unlink()
    query = faces / "b" / "03.png"
    words = ("--gallery", out, "--model", twin_onnx, "--out", tmp_path / "out", "--top", 20)
    done = run("predict.py", query, *words)
    assert done.returncode == 0, done.stderr
    assert "the 20 nearest of 20 pictures, with onnxruntime, float32" in done.stdout
    assert f"note: not shown: {faces / 'a' / '00.png'}: no such picture." in done.stdout
    result = read_json(tmp_path / "out" / "03_matches.json")
    matches = result["matches"]
    assert (result["query"], result["gallery"], result["images"]) == (str(query), str(out), 20)
    assert matches[0]["image"] == str(query)
    assert matches[0]["squared distance"] < 1e-6
    assert f"1: {matches[0]['squared distance']:.3f}  {query}" in done.stdout
    assert embed(tmp_path / "others.npy").returncode == 0  # of 19, without the one that is gone
    rows = dict(zip(names_of(faces), np.load(tmp_path / "others.npy"), strict=True))
    for match in matches:
        name = os.path.relpath(match["image"], faces)
        if name in rows:
            expected = np.square(rows[name] - rows["b/03.png"]).sum()
            assert match["squared distance"] == pytest.approx(expected, abs=2e-6)
    strip = cv2.imread(str(tmp_path / "out" / "03_matches.jpg"))
    assert strip.shape == (112 + 50, 21 * 122 + 30, 3)


KILLED = """
import os, sys
from common.engine import rows
from common.gallery import parquet_writer
from common.gallery.array_writer import ArrayWriter
import embed

left, commit = int(sys.argv.pop(1)), ArrayWriter.commit
rows.INTERVAL, parquet_writer.PART = 0, 5 * 2048

def counted(writer):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), 9)
    commit(writer)

ArrayWriter.commit = counted
raise SystemExit(embed.main())
"""


@pytest.mark.parametrize("kind", ["npy", "parquet"])
def test_killed_again_and_again_the_files_become_the_same(kind, faces, twin_onnx, tmp_path):
    def run(out, step):
        words = (step, faces, "--model", twin_onnx, "--out", out, "--batch-size", 3, "--skip-unreadable")
        command = [sys.executable, "-c", textwrap.dedent(KILLED), *map(str, words)]
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)

    for name in BAD:
        (faces / name).write_bytes(b"no picture")
    whole, out = (tmp_path / name / f"features.{kind}" for name in ("whole", "killed"))
    done = run(whole, 0)
    assert done.returncode == 0, done.stderr
    kills = 0
    while (done := run(out, 4)).returncode == -9:
        kills += 1
    assert done.returncode == 0, done.stderr
    assert kills > 1
    assert f"{out}: " in done.stdout
    assert content(out.parent) == content(whole.parent)
    assert len(content(out.parent)) == 4  # with three parts, or names and settings


def test_after_a_picture_that_cannot_be_read_is_mended_it_goes_on(faces, embed, tmp_path):
    out, whole = tmp_path / "one" / "features.npy", tmp_path / "two" / "features.npy"
    assert embed(whole).returncode == 0
    path = faces / "b" / "03.png"
    good, state = path.read_bytes(), path.stat()
    path.write_bytes(good[:100])
    done = embed(out)
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert "run the same command again, which goes on, or add --skip-unreadable" in done.stderr
    assert np.load(out).shape == (9, 512)  # three whole batches before it
    path.write_bytes(good)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    done = embed(out)
    assert done.returncode == 0, done.stderr
    assert f"{out}: 9 rows are there already" in done.stdout
    assert "11 pictures in" in done.stdout
    assert content(out.parent) == content(whole.parent)
    assert "0 pictures in no time, none is new" in embed(out).stdout


def test_pictures_that_cannot_be_read_are_listed(faces, embed, tmp_path):
    out = tmp_path / "features.npy"
    (faces / "a" / "01.png").write_bytes(encode(np.zeros((30, 20, 3), np.uint8)))
    (faces / "a" / "02.png").unlink()
    (faces / "a" / "02.png").symlink_to("nowhere")
    done = embed(out, "--skip-unreadable")
    assert done.returncode == 0, done.stderr
    listed = (tmp_path / "features.npy.skipped.jsonl").read_text().splitlines()
    assert [line.split(",")[:2] for line in listed] == [["[1", '"a/01.png"'], ["[1", '"a/02.png"']]
    assert "expected an aligned face of 112x112 pixels, found 20x30" in listed[0]
    assert "features.npy.skipped.jsonl: 2 pictures that could not be read" in done.stdout
    assert np.load(out).shape == (18, 512)
    for path in faces.rglob("*.png"):
        path.unlink()
        path.write_bytes(b"")
    done = embed(tmp_path / "none.npy", "--skip-unreadable")
    assert done.returncode == 1
    assert "none of its pictures can be read" in done.stderr


def test_any_name_is_stored_and_found(faces, embed, twin_onnx, tmp_path, run):
    odd = faces / "c" / "of two\nlines.png"
    raw = faces / "c" / os.fsdecode(b"\xff.png")
    for path, face in zip((odd, raw), random_faces(2, seed=1), strict=True):
        path.write_bytes(encode(face))
    assert embed(tmp_path / "features.npy").returncode == 0
    for path in (odd, raw):
        done = run(
            *("predict.py", path, "--gallery", tmp_path / "features.npy", "--model", twin_onnx),
            *("--out", tmp_path / "out", "--top", 1),
        )
        assert done.returncode == 0, done.stderr
        (match,) = read_json(tmp_path / "out" / f"{path.stem}_matches.json")["matches"]
        assert match["image"] == str(path)
    done = embed(tmp_path / "features.parquet")
    assert done.returncode == 1
    assert "the name is no UTF-8, which Parquet needs; rename it, or write a .npy file." in done.stderr
    assert embed(tmp_path / "features.parquet", "--skip-unreadable").returncode == 0


def test_rows_of_different_networks_or_settings_never_meet(faces, embed, twin_onnx, tmp_path, run):
    from pth2onnx import export_simplified
    from tests.conftest import FACTS

    out = tmp_path / "features.npy"
    assert embed(out).returncode == 0
    before = content(tmp_path)
    other = export_simplified(make_twin(seed=1), FACTS, tmp_path / "other" / "twin.onnx")
    done = run("embed.py", faces, "--model", other, "--out", out, "--batch-size", 3)
    assert done.returncode == 1
    assert f"{out}: holds features that were made in another way: network is" in done.stderr
    done = embed(out, "--batch-size", 4)
    assert done.returncode == 1
    assert "in another way: batch size is '4', there '3'." in done.stderr
    done = run(
        "predict.py", faces / "a" / "00.png", "--gallery", out, "--model", other, "--out", tmp_path / "o"
    )
    assert done.returncode == 1
    assert f"{out}: made with another network than {other}: expected " in done.stderr
    assert not (tmp_path / "o").exists()
    assert {name: data for name, data in content(tmp_path).items() if name in before} == before


def test_another_process_at_the_same_file_is_told(embed, tmp_path):
    out = tmp_path / "features.npy"
    writer = ArrayWriter(out, 512, Made("/", {}))
    done = embed(out)
    writer.close()
    assert done.returncode == 1
    assert f"error: {out}: another process is writing to it" in done.stderr


def test_without_pyarrow_parquet_is_refused_and_npy_is_not(
    embed, tmp_path, monkeypatch, run, faces, twin_onnx
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "features.parquet").mkdir()
    query = faces / "a" / "00.png"
    for done in (
        embed(tmp_path / "other.parquet"),
        run("predict.py", query, "--gallery", tmp_path / "features.parquet", "--model", twin_onnx),
    ):
        assert done.returncode == 1
        assert (
            "need pyarrow, which is not installed here: pip install -r requirements-parquet.txt"
            in done.stderr
        )
    assert not (tmp_path / "other.parquet").exists()
    assert embed(tmp_path / "features.npy").returncode == 0


def test_a_network_whose_output_is_none_ends_it(embed, tmp_path, monkeypatch, twin_onnx):
    from common.backends.null import Null
    from common.graph.outline import describe, load

    graph = describe(load(twin_onnx))
    null = Null(graph.inputs, graph.outputs, [np.zeros(512, np.float32)], seconds=0)
    monkeypatch.setattr(embedding, "open_anywhere", lambda *arguments, **options: null)
    done = embed(tmp_path / "features.npy", "--skip-unreadable")
    assert done.returncode == 1
    assert "error: a/00.png: the embedding of face 0 is zero" in done.stderr


@pytest.mark.parametrize(
    ("script", "words", "status", "message"),
    [
        ("embed.py", ["faces", "--out", "x.bin"], 2, "--out: expected a name that ends in .npy or .parquet"),
        ("embed.py", ["nowhere", "--out", "x.npy"], 1, "nowhere: no such directory."),
        ("embed.py", ["empty", "--out", "x.npy"], 1, "empty: holds no .jpg or .jpeg or .png or .bmp file."),
        ("predict.py", ["a.png", "--gallery", "faces"], 2, "--gallery: expected a file that embed.py made"),
        ("predict.py", ["a.png", "b.png", "--gallery", "x.npy"], 2, "expected one picture to look for"),
        ("predict.py", ["a.png", "--gallery", "x.npy"], 1, "a.png: no such picture."),
        ("predict.py", ["faces/a/00.png", "--gallery", "x.npy"], 1, "x.npy: no such file of features"),
    ],
)
def test_wrong_use_is_told_in_one_message(script, words, status, message, faces, twin_onnx, tmp_path, run):
    (tmp_path / "empty").mkdir()
    words = [word if word.startswith("-") else tmp_path / word for word in words]
    done = run(script, *words, "--model", twin_onnx)
    assert done.returncode == status
    assert message in done.stderr
    assert not (tmp_path / "x.npy").exists()
