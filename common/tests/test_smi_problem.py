"""smi_problem.py: why a printout of npu-smi shows no chips."""

from __future__ import annotations

import pytest

from common.npu_tools.smi_problem import why
from common.npu_tools.smi_table import read
from tests.smi_tables import HEADER, LINE, PROCESSES

CASES = [
    ("dcmi module initialize failed. ret is -8005", "the NPU cannot be used from here"),
    (
        "DrvMngGetConsoleLogLevel failed. (ret=4)\ndcmi module initialize failed. ret is -8005",
        "cannot be used",
    ),
    ("dcmi model initialized failed, because the device is used. ret is -8020", "in use or does not answer"),
    ("npu get board type failed. ret is -9005", "cannot ask the board"),
    ("dcmi init failed, ret = -8099", "cannot be used from here"),
    ("Failed to call dcmi_init", "does not find the driver's libraries"),
    (
        "npu-smi: error while loading shared libraries: libdrvdsmi_host.so: cannot open shared object file",
        "libraries",
    ),
    ("libdcmi.so: No such file or directory", "does not find the driver's libraries"),
    (
        "npu-smi: symbol lookup error: /usr/local/dcmi/libdcmi.so: undefined symbol: drvX",
        "not of its version",
    ),
    ("open /dev/davinci_manager: Permission denied", "this user may not use the NPU"),
    ("bash: npu-smi: command not found", "npu-smi is not on PATH"),
    ("/bin/sh: 1: npu-smi: not found", "npu-smi is not on PATH"),
    ("zsh: command not found: npu-smi", "npu-smi is not on PATH"),
    ("bash: /usr/local/bin/npu-smi: cannot execute binary file: Exec format error", "another processor"),
    ("\tTotal Count                    : 2\n\n\tNPU ID                         : 0", "`npu-smi info -l`"),
    ("\tNPU ID                         : 0\n\tTemperature(C)                 : 44", "about one chip"),
    ("Error parameter of command\nUsage: npu-smi info", "a word of help"),
    (LINE + HEADER + LINE, "a table without a chip"),
    ("NPU ID   Chip ID   Chip Logic ID   Chip Name\n0   1   -   Mcu", "a table without a chip"),
    ("There is no NPU card on this server.", "this server has no NPU card"),
    (PROCESSES, "a list of processes"),
    ("hello", "Here is no table"),
    ("", "Here is no table"),
]


@pytest.mark.parametrize(("text", "meaning"), CASES)
def test_what_a_printout_without_chips_means(text, meaning):
    found = read(text)
    assert found.chips == ()
    assert meaning in found.said.found
    assert found.said.remedy.endswith((".", ":"))
    assert found.problem == f"{found.said.found}. {found.said.remedy}"


def test_the_code_of_the_drivers_library_is_told():
    assert why("ret is -8005").code == -8005
    assert "-8005" in why("ret is -8005").found
    assert why("at 2024-8005 of 1-90051 and -80055").code is None


def test_no_code_is_looked_for_where_there_are_chips():
    table = HEADER + "| 0 310P3 | OK | 15.8 42 |\n| 0 0 | NA | 0 |\n"
    assert read(f"dcmi warns: -8005\n{table}").problem is None
