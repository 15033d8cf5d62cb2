"""Machines of a cluster that have Ray and nothing else: what is missing to install the rest is told, others go on."""

from __future__ import annotations

import pytest

pytest.importorskip("ray", reason="ray is not installed, see requirements-ray.txt")

import ray

from ascend_tools.testing.ray_nodes import bare_environment, ray_started
from common.backends.deployed import Runtime
from common.cluster.fleet import Fleet
from common.cluster.options import RAY, Engine
from common.facts import read_facts
from tests.conftest import refused
from tests.ray_cluster import write_directory


@pytest.fixture
def opened(tmp_path):
    """Open a network on the cluster of an address."""
    folder = tmp_path / "model"
    write_directory(folder)

    def call(address):
        return Fleet(folder / "N.onnx", Runtime(), Engine(RAY, address), read_facts(folder), folder)

    return call


@pytest.mark.parametrize(
    ("without", "message"),
    [
        ("virtualenv", 'without virtualenv: pip install "ray[default]" on that machine.'),
        ("nothing", "without pip: python -m ensurepip on that machine."),
    ],
)
def test_a_machine_that_cannot_install_packages_is_told(opened, tmp_path, without, message):
    pytest.importorskip("virtualenv", reason="ray is installed without the extra default")
    bare_environment(tmp_path / "bare", without)
    with ray_started("--num-cpus", "1", prefix=tmp_path / "bare") as address:
        host = address.partition(":")[0]
        with refused(
            f"no worker can run the network: the worker on {host}: Ray cannot install packages there {message}"
        ):
            opened(address)


def test_a_machine_without_a_package_index_is_left_out(opened, tmp_path, capsys):
    pytest.importorskip("virtualenv", reason="ray is installed without the extra default")
    bare_environment(tmp_path / "bare", pip=True)
    no_index = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
    }
    with ray_started("--num-cpus", "1") as address:
        bare = ray_started(
            "--num-cpus", "1", f"--address={address}", environment=no_index, prefix=tmp_path / "bare"
        )
        with bare, opened(address) as fleet:
            while opening := [member.opening for member in fleet.members if not member.opened]:
                for ref in ray.wait(opening)[0]:
                    fleet.was_opened(ref)
            assert len(fleet.members) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "WARNING: the worker on" in told
    assert "Ray could not install the packages there: ..." in told
    assert "No matching distribution found for" in told
    assert (
        "Give that machine a package index, or install requirements.txt there in the same versions. It is left out."
        in told
    )
