"""cluster/connect.py, options.py and lost.py: which cluster is taken, and what is said where there is none."""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import threading

import pytest

from common.cluster import connect, lost
from common.cluster.options import Engine, add_engine, chosen_engine
from common.errors import GuideError
from tests.conftest import refused

address_of, ended = connect._address, lost._ended  # noqa: SLF001  what is asked of Ray's own words
START = "Start one with ray start --head, and on each other machine ray start --address HOST:6379."


@pytest.fixture(autouse=True)
def no_cluster(tmp_path, monkeypatch):
    """No cluster was started on this machine, and none is named."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


@pytest.fixture
def last(tmp_path):
    """Write down the address of the cluster that was last started."""

    def write(address):
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(address)

    return write


@contextlib.contextmanager
def serving(greeting):
    """Yield the address of a server that greets whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):  # it was closed
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(greeting)
                        connection.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def taken():
    """The address of something that answers as Ray does."""
    with serving(bytes.fromhex("000018040000000000")) as address:
        yield address


@pytest.fixture
def free(taken):
    """An address at which nothing takes any."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"127.0.0.1:{port}"


def chosen(*words):
    arguments = argparse.ArgumentParser()
    add_engine(arguments)
    return chosen_engine(arguments.parse_args(words))


def test_without_a_cluster_one_is_started():
    assert address_of(None) == "local"
    assert address_of("local") == "local"


def test_the_cluster_that_was_named_is_taken_or_else_the_one_of_this_machine(taken, last, monkeypatch):
    assert address_of(taken) == taken
    last(taken)
    assert address_of(None) == address_of("auto") == taken
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with refused("no Ray cluster answers at 127.0.0.1:1: nothing there answers as Ray does. " + START):
        address_of(None)
    assert address_of(taken) == taken


def test_one_that_has_ended_is_none(free, last):
    last(free)
    assert address_of(None) == "local"
    with refused("no Ray cluster answers at this machine: no cluster runs here. " + START):
        address_of("auto")
    with refused(f"no Ray cluster answers at {free}: nothing there answers as Ray does. " + START):
        address_of(free)


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"\0", b""]
)
def test_what_takes_connections_and_is_no_ray_is_told(greeting, monkeypatch):
    monkeypatch.setattr(connect, "_ANSWER", 0.2)
    with (
        serving(greeting) as address,
        refused(f"no Ray cluster answers at {address}: nothing there", whole=False),
    ):
        address_of(address)


@pytest.mark.parametrize("address", ["somewhere", "10.0.0.1", "10.0.0.1:", "10.0.0.1:99999", "a b", ":6379"])
def test_what_is_no_address_is_told(address):
    with refused(f"--address {address}: expected HOST:PORT, auto or local."):
        address_of(address)


def test_a_damaged_note_of_the_last_cluster_is_none(last, tmp_path):
    last("")
    (tmp_path / "ray" / "ray_current_cluster").write_bytes(b"\xff\xfe")
    assert address_of(None) == "local"


def test_the_arguments_are_an_engine():
    assert chosen() == Engine()
    pytest.importorskip("ray", reason="ray is not installed, see requirements-ray.txt")
    words = ("--engine", "ray", "--address", "a:1", "--actors", "3", "--send-pictures")
    assert chosen(*words) == Engine("ray", "a:1", 3, send_pictures=True)


@pytest.mark.parametrize("words", [["--address", "auto"], ["--actors", "2"], ["--send-pictures"]])
def test_what_is_for_ray_is_refused_without_it(words):
    with refused("--address, --actors and --send-pictures are for --engine ray; leave them out."):
        chosen(*words)


def test_where_ray_is_not_installed_it_is_told_at_once(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with refused(
        f"{sys.prefix}: --engine ray needs the package ray, which is not installed there: "
        "pip install -r requirements-ray.txt"
    ):
        chosen("--engine", "ray")


def test_a_clients_address_is_told():
    pytest.importorskip("ray", reason="ray is not installed, see requirements-ray.txt")
    with refused("--address ray://h:10001: a client's address.", whole=False):
        chosen("--engine", "ray", "--address", "ray://h:10001")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Worker exit type: SYSTEM_ERROR. Some common causes include: (1) the process was killed by the OOM killer",
            "its process ended, killed or crashed",
        ),
        (
            "Task was killed due to the node running low on memory. Memory on the node (OOM)",
            "its machine ran out of memory; lower --actors, --batch-size or --workers",
        ),
        (
            "The actor died because its node has died. Node Id: 1 the actor's node was terminated",
            "its machine has left the cluster",
        ),
        (
            "An error raised in its creation task, ray::Worker.__init__()\n  a node died\nImportError: libGL.so.1: cannot open\n",
            "ImportError: libGL.so.1: cannot open",
        ),
    ],
)
def test_how_a_worker_ended_is_told_in_a_few_words(text, reason):
    assert ended(text) == reason


def raised(cause):
    exceptions = pytest.importorskip(
        "ray.exceptions", reason="ray is not installed, see requirements-ray.txt"
    )
    return exceptions.RayTaskError("part", "Traceback", cause)


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (GuideError("a.jpg: damaged"), "a.jpg: damaged. That was the worker on h."),
        (
            FileNotFoundError(2, "No such file or directory", "a"),
            "a: No such file or directory. That was the worker on h.",
        ),
        (MemoryError(), "the memory does not suffice"),
        (ModuleNotFoundError("No module named 'x'", name="x"), "the package 'x' is not installed in "),
        (ImportError("libGL.so.1: cannot open"), "libGL.so.1: cannot open. That was the worker on h."),
    ],
)
def test_an_error_of_the_work_itself_is_told_as_here(cause, told):
    with refused(told, whole=False):
        lost.reason("the worker on h", raised(cause))


def test_a_mistake_of_ours_keeps_its_traceback():
    error = raised(ZeroDivisionError())
    with pytest.raises(type(error)) as found:
        lost.reason("the worker on h", error)
    assert found.value is error
