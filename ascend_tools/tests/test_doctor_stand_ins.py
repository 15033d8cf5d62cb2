"""The doctor's lines of the machine in a rehearsal, with the faults that its stand-ins make."""

from __future__ import annotations

import pytest

from ascend_tools.doctor import atc, atc_modules, cann, driver, inference
from ascend_tools.doctor.check import Status
from ascend_tools.testing.host import checks


def test_a_rehearsal_is_whole(sourced):
    found = [
        check for module in (driver, cann, atc, atc_modules, inference) for check in checks(module).values()
    ]
    assert {check.id for check in found if check.status is not Status.OK} <= {"atc.memory"}


@pytest.mark.parametrize(
    ("fault", "module", "wrong"),
    [
        ("no-driver", driver, "driver.library"),
        ("no-driver", atc, "atc.library"),
        ("driver:old", driver, "driver.version"),
        ("driver:other-firmware", driver, "driver.version"),
        ("atc-python:decorator", atc_modules, "atc.modules"),
        ("atc-python:tbe", atc_modules, "atc.modules"),
        ("atc-python:numpy", atc_modules, "atc.numpy"),
        ("atc-python:numpy2", atc_modules, "atc.numpy"),
        ("aclruntime:missing", inference, "inference.aclruntime"),
        ("aclruntime:other-version", inference, "inference.session"),
        ("acl:crash", inference, "inference.pyacl"),
        ("old-aclruntime", inference, "inference.ais_bench"),
    ],
)
def test_faults(sourced, fault, module, wrong):
    sourced(fault)
    assert checks(module)[wrong].status is not Status.OK
