"""download.py: fetching from a real server that resumes, cannot resume, breaks off, or sends something else."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from common.download import fetch
from common.errors import GuideError
from common.model_toml import Checkpoint

DATA = bytes(range(251)) * 997  # several blocks of 64 KiB
PAGE = b"<html>Quota exceeded</html>"
WRONG = DATA[:-1] + b"\0"
HALF = len(DATA) // 2
CONTENT = {
    "/page": PAGE,
    "/pages": PAGE * 10000,
    "/wrong": WRONG,
    "/long": DATA + b"\0",
    "/short": DATA[:HALF],
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.path, self.headers["Range"]))
        content = CONTENT.get(self.path, DATA)
        start = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if self.path == "/missing":
            self.send_error(404)
            return
        if start and self.path in ("/resumes", "/wrong", "/breaks"):
            self.send_response(206)
            first, last = int(start[1]), len(content) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            content = content[first:]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path == "/breaks" else content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running_server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(running_server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running_server.requests = []
    return running_server


@pytest.fixture
def checkpoint(server):
    def publish(*pages):
        return Checkpoint(
            file="tiny.pth",
            bytes=len(DATA),
            sha256=hashlib.sha256(DATA).hexdigest(),
            licence="MIT",
            urls=tuple(f"http://127.0.0.1:{server.server_port}/{page}" for page in pages),
        )

    return publish


def refusal(checkpoint, folder):
    with pytest.raises(GuideError) as error:
        fetch(checkpoint, folder)
    assert not (folder / "tiny.pth").exists()
    return str(error.value)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_is_fetched_into_a_new_folder_once(tmp_path, server, checkpoint, capsys):
    folder = tmp_path / "new" / "weights"
    for _ in range(2):
        assert fetch(checkpoint("resumes"), folder) == folder / "tiny.pth"
        assert content(folder) == {"tiny.pth": DATA}
    assert server.requests == [("/resumes", None)]
    assert capsys.readouterr() == ("", "")


def test_the_next_source_is_asked_when_one_fails(tmp_path, server, checkpoint):
    assert fetch(checkpoint("missing", "wrong", "resumes", "plain"), tmp_path).read_bytes() == DATA
    assert [path for path, _ in server.requests] == ["/missing", "/wrong", "/resumes"]


def test_a_download_that_broke_off_goes_on_where_it_ended(tmp_path, server, checkpoint):
    message = refusal(checkpoint("breaks"), tmp_path)
    assert f"/breaks: ended after {HALF} of {len(DATA)} bytes; the next try goes on from there." in message
    assert content(tmp_path) == {"tiny.pth.part": DATA[:HALF]}
    assert fetch(checkpoint("resumes"), tmp_path).read_bytes() == DATA
    assert server.requests == [("/breaks", None), ("/resumes", f"bytes={HALF}-")]
    assert content(tmp_path) == {"tiny.pth": DATA}


def test_a_server_that_cannot_resume_starts_again(tmp_path, server, checkpoint):
    (tmp_path / "tiny.pth.part").write_bytes(b"begun")
    assert fetch(checkpoint("plain"), tmp_path).read_bytes() == DATA
    assert server.requests == [("/plain", "bytes=5-")]


@pytest.mark.parametrize("left", [WRONG, DATA + b"\0"])
def test_a_complete_file_that_failed_before_is_not_continued(tmp_path, server, checkpoint, left):
    (tmp_path / "tiny.pth.part").write_bytes(left)
    assert fetch(checkpoint("resumes"), tmp_path).read_bytes() == DATA
    assert server.requests == [("/resumes", None)]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("missing", "HTTP Error 404"),
        ("short", f"ended after {HALF} of {len(DATA)} bytes"),
        ("page", f"ended after {len(PAGE)} of {len(DATA)} bytes"),
        ("long", f"sent more than the published {len(DATA)} bytes"),
        (
            "wrong",
            f"expected sha256 {hashlib.sha256(DATA).hexdigest()}, found {hashlib.sha256(WRONG).hexdigest()}.",
        ),
    ],
)
def test_a_failure_names_the_source_the_reason_and_the_way_round(tmp_path, server, checkpoint, page, reason):
    lines = refusal(checkpoint(page), tmp_path).splitlines()
    assert lines[0] == "could not download tiny.pth:"
    assert lines[1].startswith(f"  http://127.0.0.1:{server.server_port}/{page}: ")
    assert reason in lines[1]
    assert lines[2] == (
        f"Get the file ({len(DATA)} bytes, sha256 {hashlib.sha256(DATA).hexdigest()}) on another machine and put it "
        f"at {tmp_path / 'tiny.pth'}, or name it with --checkpoint."
    )


def test_a_server_that_cannot_be_reached_is_named(tmp_path, running_server, checkpoint):
    published = checkpoint("resumes")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        port = other.server_port
    assert port != running_server.server_port
    url = f"http://127.0.0.1:{port}/resumes"
    message = refusal(msgspec.structs.replace(published, urls=(url,)), tmp_path)
    assert f"  {url}: <urlopen error [Errno " in message


@pytest.mark.parametrize("pages", [["page", "resumes"], ["pages", "resumes"], ["missing", "resumes"]])
def test_what_one_source_sent_wrong_is_not_mixed_into_what_the_next_one_sends(tmp_path, checkpoint, pages):
    if pages[0] == "missing":
        (tmp_path / "tiny.pth.part").write_bytes(PAGE)
    assert fetch(checkpoint(*pages), tmp_path).read_bytes() == DATA


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (DATA[:HALF], f"expected {len(DATA)} bytes, found {HALF}. Remove it and fetch it again."),
        (DATA + b"\0", f"expected {len(DATA)} bytes, found {len(DATA) + 1}. Remove it and fetch it again."),
        (WRONG, f"found {hashlib.sha256(WRONG).hexdigest()}. Remove it and fetch it again."),
    ],
)
def test_a_file_that_is_there_is_verified_and_never_replaced(tmp_path, server, checkpoint, held, message):
    (tmp_path / "tiny.pth").write_bytes(held)
    with pytest.raises(GuideError) as error:
        fetch(checkpoint("resumes"), tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'tiny.pth'}: expected ")
    assert str(error.value).endswith(message)
    assert content(tmp_path) == {"tiny.pth": held}
    assert server.requests == []
