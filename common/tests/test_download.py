"""download.py: fetching from a real server that resumes, cannot resume, breaks off, or sends something else."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from common.alone import alone
from common.errors import GuideError
from common.export.download import UnavailableError, fetch
from common.facts import Checkpoint
from tests.conftest import refused

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
RESUMABLE = ("/resumes", "/wrong", "/breaks")
SHA256, MD5 = hashlib.sha256(DATA).hexdigest(), "e6590f16a81ff507cf5ee93fdaaeaa06"
REMEDY = "Remove it and run this again to fetch it, or name weights of your own with --checkpoint."


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.path, self.headers["Range"]))
        content = CONTENT.get(self.path, DATA)
        start = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if self.path == "/missing":
            self.send_error(404)
            return
        if start and self.path in RESUMABLE:
            if int(start[1]) >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            first, last = int(start[1]), len(content) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            content = content[first:]
        else:
            self.send_response(200)
        if self.path != "/unmeasured":
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
    def publish(*pages, **facts):
        urls = tuple(f"http://127.0.0.1:{server.server_port}/{page}" for page in pages)
        facts = {"bytes": len(DATA), "sha256": SHA256, **facts}
        return Checkpoint(file="tiny.pth", licence="MIT", urls=urls, **facts)

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


def test_what_another_run_is_downloading_is_waited_for_and_not_fetched_again(
    tmp_path, server, checkpoint, capfd
):
    found = []
    thread = threading.Thread(target=lambda: found.append(fetch(checkpoint("resumes"), tmp_path)))
    with alone(tmp_path):
        thread.start()
        while "waiting" not in capfd.readouterr().err:
            pass
        (tmp_path / "tiny.pth").write_bytes(DATA)
    thread.join()
    assert found == [tmp_path / "tiny.pth"]
    assert server.requests == []


def test_the_next_source_is_asked_when_one_fails(tmp_path, server, checkpoint):
    assert fetch(checkpoint("missing", "wrong", "resumes", "plain"), tmp_path).read_bytes() == DATA
    assert [path for path, _ in server.requests] == ["/missing", "/wrong", "/resumes"]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("missing", "HTTP Error 404"),
        ("short", f"ended after {HALF} of {len(DATA)} bytes"),
        ("page", f"ended after {len(PAGE)} of {len(DATA)} bytes"),
        ("long", f"sent more than the published {len(DATA)} bytes"),
        ("wrong", f"expected sha256 {SHA256}, found {hashlib.sha256(WRONG).hexdigest()}."),
    ],
)
def test_a_failure_names_the_source_the_reason_and_the_way_round(tmp_path, server, checkpoint, page, reason):
    lines = refusal(checkpoint(page), tmp_path).splitlines()
    assert lines[0] == "could not download tiny.pth:"
    assert lines[1].startswith(f"  http://127.0.0.1:{server.server_port}/{page}: ")
    assert reason in lines[1]
    assert lines[2] == (
        f"Get the file (bytes {len(DATA)}, sha256 {SHA256}) on another machine and put it "
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


@pytest.mark.parametrize("size", [len(DATA), None])
@pytest.mark.parametrize("first", ["page", "pages", "wrong", "short", "missing"])
def test_what_one_source_sent_wrong_is_not_mixed_into_what_the_next_one_sends(
    tmp_path, checkpoint, first, size
):
    if first == "missing":
        (tmp_path / "tiny.pth.part").write_bytes(PAGE)
    assert fetch(checkpoint(first, "resumes", bytes=size), tmp_path).read_bytes() == DATA


def test_an_md5_alone_verifies_a_file(tmp_path, server, checkpoint):
    published = checkpoint("wrong", "resumes", bytes=None, sha256=None, md5=MD5)
    assert fetch(published, tmp_path).read_bytes() == DATA
    assert server.requests == [("/wrong", None), ("/resumes", f"bytes={len(DATA)}-"), ("/resumes", None)]


@pytest.mark.parametrize("wrong", ["sha256", "md5"])
def test_every_published_hash_has_to_fit(tmp_path, checkpoint, wrong):
    published = checkpoint("resumes", **{"md5": MD5, wrong: "00"})
    assert f"expected {wrong} 00, found " in refusal(published, tmp_path)


@pytest.mark.parametrize(("size", "identity"), [(len(DATA), f" (bytes {len(DATA)})"), (None, "")])
def test_without_a_hash_nothing_is_downloaded_and_people_are_told_where_to_go(
    tmp_path, server, checkpoint, size, identity
):
    folder = tmp_path / "weights"
    published = checkpoint("resumes", "plain", bytes=size, sha256=None)
    with pytest.raises(UnavailableError) as error:
        fetch(published, folder)
    why = "not downloaded, for no hash of it is published that could verify it"
    *lines, last = str(error.value).splitlines()
    assert lines == ["could not download tiny.pth:", *(f"  {url}: {why}" for url in published.urls)]
    assert last.startswith(
        f"Get the file{identity} on another machine and put it at {folder / 'tiny.pth'}, or "
    )
    assert server.requests == []
    assert not folder.exists()


@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_download_that_broke_off_goes_on_where_it_ended(tmp_path, server, checkpoint, size):
    message = refusal(checkpoint("breaks", bytes=size), tmp_path)
    assert f"/breaks: ended after {HALF} of {len(DATA)} bytes; the next try goes on from there." in message
    assert content(tmp_path) == {"tiny.pth.part": DATA[:HALF]}
    more = HALF + (len(DATA) - HALF) // 2
    message = refusal(checkpoint("breaks", bytes=size), tmp_path)
    assert f"/breaks: ended after {more} of {len(DATA)} bytes; " in message
    assert fetch(checkpoint("resumes", bytes=size), tmp_path).read_bytes() == DATA
    asked = [("/breaks", None), ("/breaks", f"bytes={HALF}-"), ("/resumes", f"bytes={more}-")]
    assert server.requests == asked
    assert content(tmp_path) == {"tiny.pth": DATA}


@pytest.mark.parametrize(
    ("left", "page", "size", "requests"),
    [
        (DATA[:5], "plain", len(DATA), ["bytes=5-"]),  # a server that cannot resume
        (DATA[:5], "plain", None, ["bytes=5-"]),
        (DATA[:5], "unmeasured", None, ["bytes=5-"]),  # nor says how much it sends
        (WRONG, "resumes", len(DATA), [None]),  # complete, and failed before
        (DATA + b"\0", "resumes", len(DATA), [None]),
        (PAGE, "resumes", None, [f"bytes={len(PAGE)}-", None]),  # the beginning of another file
        (DATA, "resumes", None, [f"bytes={len(DATA)}-"]),  # complete: HTTP 416, range not satisfiable
        (DATA + PAGE, "resumes", None, [f"bytes={len(DATA) + len(PAGE)}-", None]),  # too much: the same
    ],
)
def test_what_is_left_of_a_download_is_continued_or_given_up(
    tmp_path, server, checkpoint, left, page, size, requests
):
    (tmp_path / "tiny.pth.part").write_bytes(left)
    assert fetch(checkpoint(page, bytes=size), tmp_path).read_bytes() == DATA
    assert server.requests == [(f"/{page}", range_) for range_ in requests]
    assert content(tmp_path) == {"tiny.pth": DATA}


def test_what_a_source_without_the_file_says_does_not_cost_what_is_left(tmp_path, server, checkpoint):
    (tmp_path / "tiny.pth.part").write_bytes(DATA[:HALF])
    assert fetch(checkpoint("missing", "resumes", bytes=None), tmp_path).read_bytes() == DATA
    assert server.requests == [("/missing", f"bytes={HALF}-"), ("/resumes", f"bytes={HALF}-")]


@pytest.mark.parametrize(
    ("held", "facts", "message"),
    [
        (DATA[:HALF], {}, f"expected {len(DATA)} bytes, found {HALF}."),
        (DATA + b"\0", {}, f"expected {len(DATA)} bytes, found {len(DATA) + 1}."),
        (WRONG, {}, f"expected sha256 {SHA256}, found {hashlib.sha256(WRONG).hexdigest()}."),
        (WRONG, {"sha256": None, "md5": MD5}, f"expected md5 {MD5}, found c32c0939be1411355a55ec620bc8f67e."),
        (DATA[:HALF], {"sha256": None}, f"expected {len(DATA)} bytes, found {HALF}."),
        (DATA[:HALF], {"sha256": None, "bytes": HALF}, None),
        (DATA[:HALF], {"sha256": None, "bytes": None}, None),
    ],
)
def test_a_file_that_is_there_is_verified_and_never_replaced(
    tmp_path, server, checkpoint, held, facts, message
):
    path = tmp_path / "tiny.pth"
    path.write_bytes(held)
    if message:
        with refused(f"{path}: {message} {REMEDY}"):
            fetch(checkpoint("resumes", **facts), tmp_path)
    else:
        assert fetch(checkpoint("resumes", **facts), tmp_path) == path
    assert content(tmp_path) == {"tiny.pth": held}
    assert server.requests == []
