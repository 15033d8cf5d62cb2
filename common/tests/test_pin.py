"""pin.py: a checkpoint is held to the hash that its user gives, or keeps in a file beside it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

from common.errors import GuideError
from common.export import pin
from tests.conftest import refused

DIGEST = hashlib.sha256(b"weights").hexdigest()
OTHER = hashlib.sha256(b"other weights").hexdigest()
AGAIN = "Take the file that it is the hash of, or correct the hash."


@pytest.fixture
def path(tmp_path):
    (tmp_path / "d 0.pth").write_bytes(b"weights")
    return tmp_path / "d 0.pth"


@pytest.fixture
def beside(path):
    return path.with_name("d 0.pth.sha256")


def test_without_a_hash_any_file_is_taken(path):
    pin.check(path, None)
    pin.check(path.with_name("absent"), None)  # it is not even read


def test_the_hash_of_the_option_is_compared(path):
    pin.check(path, DIGEST)
    with refused(f"{path}: expected sha256 {OTHER}, which --sha256 says, found {DIGEST}. {AGAIN}"):
        pin.check(path, OTHER)


@pytest.mark.parametrize(
    "text",
    [
        "{}  d 0.pth\n",
        "{0}  weights/d 0.pth\n{0}  model/d 0.pth\n",
        "{} *d 0.pth",
        "{}  weights/d 0.pth\r\n",
        "\n{}  d 0.pth\n\n",
        f"{OTHER}  d1.pth\n{{}}  d 0.pth\n{OTHER}\n",
        "{}",
        "{}\n",
        "\ufeff{}  d 0.pth\n",
    ],
)
@pytest.mark.parametrize("upper", [False, True])
def test_the_hash_in_the_file_beside_is_compared(path, beside, text, upper):
    beside.write_text(text.format(DIGEST.upper() if upper else DIGEST))
    pin.check(path, None)
    beside.write_text(text.format(OTHER))
    with refused(f"{path}: expected sha256 {OTHER}, which {beside} says, found {DIGEST}. {AGAIN}"):
        pin.check(path, None)
    with refused(f"{path}: expected sha256 {OTHER}, which {beside} says, found {DIGEST}. {AGAIN}"):
        pin.check(path, DIGEST)  # both are held to


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
@pytest.mark.parametrize("name", ["d0.pth", "d 0 .pth", "权重.pth"])
def test_what_sha256sum_writes_is_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"weights")
    with (tmp_path / f"{name}.sha256").open("wb") as file:
        subprocess.run([str(shutil.which("sha256sum")), name], cwd=tmp_path, stdout=file, check=True)
    pin.check(path, None)
    path.write_bytes(b"other weights")
    with pytest.raises(GuideError, match=f"expected sha256 {DIGEST}, which .*, found {OTHER}"):
        pin.check(path, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "nothing"),
        ("\n \n", "nothing"),
        (f"{DIGEST}  d1.pth\n", f"'{DIGEST}  d1.pth'"),
        (f"{DIGEST}\n{DIGEST}\n", f"'{DIGEST}'"),
        (f"{DIGEST[1:]}  d 0.pth", f"'{DIGEST[1:]}  d 0.pth'"),
        (f"0{DIGEST}  d 0.pth", f"'0{DIGEST}  d 0.pth'"),
        (f"SHA256 (d 0.pth) = {DIGEST}", f"'SHA256 (d 0.pth) = {DIGEST}'"),
        ("<html>" * 99, repr(("<html>" * 99)[:100])),
    ],
)
def test_a_file_beside_that_says_nothing_of_the_checkpoint_is_refused(path, beside, text, shown):
    beside.write_text(text)
    with refused(
        f"{beside}: expected a line of 64 hexadecimal digits, two spaces and d 0.pth, found {shown}. "
        "Write it again with `sha256sum d 0.pth` in that directory, or remove it."
    ):
        pin.check(path, DIGEST)


def test_a_file_beside_that_contradicts_itself_is_refused(path, beside):
    beside.write_text(f"{DIGEST}  weights/d 0.pth\n{OTHER}  backup/d 0.pth\n")
    with refused(f"{beside}: expected one hash of d 0.pth, found 2; leave the line of this file in it."):
        pin.check(path, None)


def test_a_file_beside_that_cannot_be_read_is_refused(path, beside):
    beside.mkdir()
    with refused(f"{beside}: not a regular file", whole=False):
        pin.check(path, DIGEST)
    beside.rmdir()
    beside.symlink_to("absent")
    with pytest.raises(FileNotFoundError):
        pin.check(path, DIGEST)
    beside.unlink()
    beside.write_bytes(b"\xff")
    with refused(f"{beside}: not a text file", whole=False):
        pin.check(path, DIGEST)
