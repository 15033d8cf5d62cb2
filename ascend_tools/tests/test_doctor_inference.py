"""The doctor's lines of what runs an OM file, with packages and programs whose fault is made."""

from __future__ import annotations

import sys

import pytest

from ascend_tools.doctor import inference, inference_tools, places
from ascend_tools.doctor.check import Status
from ascend_tools.testing.host import checks, host

__all__ = ["host"]
RUNTIME = "class InferenceSession:\n    pass\n"
NO_LIBRARY = "raise ImportError('{}: cannot open shared object file: No such file or directory')\n"


@pytest.fixture
def runtime(host):
    def write(text=RUNTIME, version="0.0.2"):
        host.package("aclruntime", text, version)

    return write


@pytest.fixture
def bench(host):
    def write(text="import aclruntime\nclass InferSession:\n    pass\n", version="0.0.2"):
        for name in ("ais_bench/__init__", "ais_bench/infer/__init__"):
            host.package(name, "")
        host.package("ais_bench/infer/interface", text, version, "ais_bench")

    return write


def test_nothing_is_installed(host):
    found = checks(inference)
    assert {check.status for check in found.values()} == {Status.MISSING}
    assert [name for name, check in found.items() if check.required] == ["inference.session"]
    assert "gitee.com/ascend/tools" in found["inference.ais_bench"].remedy
    assert (
        sys.prefix in found["inference.ais_bench"].remedy
        or "python -m pip" in found["inference.ais_bench"].remedy
    )


def test_acl_is_missing_where_settings_were_not_sourced(host):
    script = places.set_env(host.cann())
    found = checks(inference)
    assert found["inference.pyacl"].remedy == f"source {script}"
    assert found["inference.session"].details["command"] == f"source {script}"


def test_both_wheels(host, runtime, bench):
    runtime()
    bench()
    found = checks(inference)
    assert found["inference.ais_bench"].details["version"] == "0.0.2"
    assert (found["inference.session"].status, found["inference.session"].found) == (
        Status.OK,
        "ais_bench 0.0.2",
    )
    assert found["backend.om"].status is Status.OK


def test_aclruntime_alone(host, runtime):
    runtime()
    found = checks(inference)
    assert found["inference.aclruntime"].status is Status.OK
    assert found["inference.ais_bench"].status is Status.MISSING
    assert "aclruntime alone" in found["inference.ais_bench"].found
    assert found["inference.session"].status is Status.MISSING


def test_ais_bench_alone(host, bench):
    bench()
    found = checks(inference)
    assert found["inference.ais_bench"].status is Status.WRONG
    assert "without aclruntime" in found["inference.ais_bench"].found
    assert found["inference.session"].status is Status.WRONG


@pytest.mark.parametrize(("own", "other"), [("0.0.2", "0.0.1"), ("0.1.0", "0.0.2"), ("", "0.0.1")])
def test_versions_that_do_not_fit_each_other(host, runtime, bench, own, other):
    runtime(version=other)
    bench(version=own)
    found = checks(inference)
    assert found["inference.ais_bench"].status is Status.WRONG
    assert f"with aclruntime {other}" in found["inference.ais_bench"].found
    assert found["inference.session"].status is Status.WRONG
    host.package("acl", "import types\nmdl = types.SimpleNamespace()\n")
    assert (
        checks(inference)["inference.session"].remedy == found["inference.ais_bench"].remedy
    )  # it is taken before acl


def test_aclruntime_of_another_python(host):
    path = host.file("site/aclruntime.cpython-37m-aarch64-linux-gnu.so")
    host.package("nothing", "")
    found = checks(inference)["inference.aclruntime"]
    assert found.status is Status.WRONG
    assert str(path) in found.found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NO_LIBRARY.format("libascendcl.so"), "libascendcl.so is not found"),
        (NO_LIBRARY.format("libascend_hal.so"), "libascend_hal.so is not found"),
        (
            "raise ImportError('aclruntime.so: undefined symbol: aclrtSetDevice')\n",
            "undefined symbol: aclrtSetDevice",
        ),
        ("import os\nos.kill(os.getpid(), 11)\n", "SIGSEGV"),
        ("import os\nos.kill(os.getpid(), 4)\n", "SIGILL"),
        ("import os\nprint('{\"found\": 3}', flush=True)\nos._exit(0)\n", "something else"),
        ("import os\nos._exit(7)\n", "exit status 7"),
        ("raise SystemExit\n", "SystemExit"),
        ("def broken(:\n", "SyntaxError"),
    ],
)
def test_an_aclruntime_that_breaks(host, runtime, bench, text, said):
    runtime(text)
    bench()
    found = checks(inference)
    assert found["inference.aclruntime"].status is Status.WRONG
    assert said in found["inference.aclruntime"].found
    assert found["inference.session"].status is not Status.OK


def test_one_that_hangs(host, runtime, monkeypatch):
    monkeypatch.setattr(inference, "_SECONDS", 1.0)
    runtime("import time\ntime.sleep(60)\n")
    assert "within 1 seconds" in checks(inference)["inference.aclruntime"].found


def test_a_library_of_canns_names_the_settings(host, runtime):
    script = places.set_env(host.cann())
    runtime(NO_LIBRARY.format("libascendcl.so"))
    found = checks(inference)["inference.aclruntime"]
    assert (found.remedy, found.details["library"]) == (f"source {script}", "libascendcl.so")


def test_other_packages_of_the_same_names(host):
    host.package("ais_bench", "'''A ship's identification system.'''\n", "3.1", "ais-bench")
    host.package("aclruntime", "version = 1\n", "9.0")
    host.package("acl", "class AccessControlList:\n    pass\n", "1.0")
    found = checks(inference)
    for name in ("aclruntime", "ais_bench", "pyacl"):
        assert found[f"inference.{name}"].status is Status.WRONG, name
        assert "another package of that name" in found[f"inference.{name}"].found
        assert "pip uninstall -y" in found[f"inference.{name}"].remedy
    assert found["inference.session"].status is Status.WRONG


def test_pyacl_takes_the_place(host):
    host.package("acl", "import types\nmdl = types.SimpleNamespace()\n")
    found = checks(inference)
    assert (found["inference.session"].status, found["inference.session"].found) == (Status.OK, "pyACL")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (NO_LIBRARY.format("libascendcl.so"), Status.OK),
        ("import os\nos.kill(os.getpid(), 11)\n", Status.WRONG),
        ("1 / 0\n", Status.WRONG),
    ],
)
def test_pyacl_takes_the_place_of_what_cannot_be_imported_not_of_what_crashes(
    host, runtime, bench, text, status
):
    runtime(text)
    bench()
    host.package("acl", "import types\nmdl = types.SimpleNamespace()\n")
    assert checks(inference)["inference.session"].status is status


def test_an_acl_for_another_python(host):
    host.package("acl", "raise ImportError('Python version mismatch: module was compiled for Python 3.7')\n")
    found = checks(inference)["inference.pyacl"]
    assert found.status is Status.WRONG
    assert "compiled for Python 3.7" in found.found


def test_programs(host, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert checks(inference_tools)["inference.tools"].status is Status.MISSING
    path = host.shell("msame", "echo usage: msame --model M")
    found = checks(inference_tools)["inference.tools"]
    assert (found.status, found.found) == (Status.OK, str(path))
    host.shell(
        "msame",
        "echo 'msame: error while loading shared libraries: libascendcl.so: cannot open shared object file'; exit 127",
    )
    found = checks(inference_tools)["inference.tools"]
    assert found.status is Status.WRONG
    assert "libascendcl.so is not found" in found.found
