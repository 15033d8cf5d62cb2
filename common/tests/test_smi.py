"""smi.py: asking npu-smi which chips this machine has."""

from __future__ import annotations

import pytest

from common.errors import GuideError
from common.npu_tools import smi
from common.npu_tools.smi import soc_version
from tests.smi_tables import H_910, MAPPING, ONE, TABLES, chips_910, rows


@pytest.mark.parametrize("name", ["one chip", "two cards", "no hugepages", "a table of processes below"])
def test_the_soc_version_of_the_machine(npu_smi, name):
    npu_smi(TABLES[name][0])
    assert soc_version() == "Ascend310P3"


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (TABLES["no chip"][0], "no chip"),
        (ONE + rows(1, "310", 0, 1, "0000:83:00.0"), "several kinds of chip: Ascend310, Ascend310P3"),
    ],
)
def test_no_chip_and_several_kinds_ask_for_the_option(npu_smi, table, found):
    npu_smi(table)
    with pytest.raises(GuideError) as error:
        soc_version()
    remedy = "Name the chip with --soc-version, for example --soc-version Ascend310P3."
    assert str(error.value) == f"`npu-smi info` shows {found}. {remedy}"


def test_a_failing_tool_is_shown_with_its_words(npu_smi):
    npu_smi("dcmi module initialize failed. ret is -8005", code=1)
    words = "(?s)`npu-smi info` failed with exit code 1:\ndcmi module initialize failed.*--soc-version Ascend310P3"
    with pytest.raises(GuideError, match=words):
        soc_version()


@pytest.mark.usefixtures("nothing_on_path")
def test_a_missing_tool_asks_for_the_option():
    words = "^the program `npu-smi` is not on PATH. Name the chip with --soc-version"
    with pytest.raises(GuideError, match=words):
        soc_version()


def test_a_tool_that_says_no_more_than_why_is_shown_with_its_words(npu_smi):
    npu_smi("dcmi module initialize failed. ret is -8005")
    with pytest.raises(GuideError, match="(?s)no table of chips, but says:\ndcmi module .*--soc-version"):
        soc_version()


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (
            "dcmi module initialize failed. ret is -8005",
            "npu-smi is here, but the NPU cannot be used from here",
        ),
        ("dcmi model init failed, ret -8020", "npu-smi is here, but the NPU is in use or does not answer"),
        ("open /dev/davinci_manager: Permission denied", "Join the group HwHiAiUser"),
        ("libdrvdsmi.so: cannot open shared object file: No such", "does not find the driver's libraries"),
    ],
)
def test_an_npu_that_is_here_and_cannot_be_used_is_told_from_none(npu_smi, words, meaning, code, capsys):
    npu_smi(words, code)
    with pytest.raises(GuideError) as error:
        soc_version()
    assert words in str(error.value)
    assert meaning in str(error.value)
    assert smi.soc_versions() == set()
    assert capsys.readouterr().err.startswith("note: which chip this machine has is not known. `npu-smi")


def test_the_kinds_of_chip_are_told_where_they_can_be(npu_smi):
    npu_smi(ONE + rows(1, "310", 0, 1, "0000:83:00.0"))
    assert smi.soc_versions() == {"Ascend310", "Ascend310P3"}


def test_a_driver_that_hangs_is_given_up(program, monkeypatch):
    program("npu-smi", "import time\nprint('+----', flush=True)\ntime.sleep(600)\n")
    monkeypatch.setattr(smi, "_SECONDS", 0.5)
    words = "(?s)`npu-smi info` has not ended after 0.5 seconds and was given up; its last words were:\n.*--soc-version"
    with pytest.raises(GuideError, match=words):
        soc_version()


def two_910(program, mapping):
    """Put an npu-smi on PATH that shows two chips without a column of devices, and `mapping` for `info -m`."""
    source = f"""
import sys
if sys.argv[1:] == ["info"]:
    print({H_910 + chips_910(3, 5)!r})
elif sys.argv[1:] == ["info", "-m"]:
    {mapping}
else:
    sys.exit(3)
"""
    program("npu-smi", source)


def test_devices_without_a_column_are_numbered_as_the_mapping_says(program):
    two_910(program, f"print({MAPPING!r})")
    assert [(chip.npu, chip.device) for chip in smi.chips()] == [(3, 1), (5, 0)]
    assert [(chip.npu, chip.device) for chip in smi.look().chips] == [(3, 1), (5, 0)]
    assert smi.look().has_devices


@pytest.mark.parametrize(
    "answer", ["sys.exit(1)", "print('Error parameter')", "import time; time.sleep(600)"]
)
def test_an_old_tool_that_knows_no_mapping_leaves_their_order(program, answer, monkeypatch):
    monkeypatch.setattr(smi, "_SECONDS", 1.0)
    two_910(program, answer)
    assert [(chip.npu, chip.device) for chip in smi.chips()] == [(3, 0), (5, 1)]
    assert not smi.look(1.0).has_devices


def test_a_look_numbers_nothing_that_the_table_numbers(npu_smi):
    npu_smi(ONE)  # which knows `info` alone
    table = smi.look()
    assert [chip.soc for chip in table.chips] == ["Ascend310P3"]
    assert table.version == "22.0.2"
    assert table.problem is None


@pytest.mark.usefixtures("nothing_on_path")
def test_a_look_says_that_there_is_no_tool():
    assert smi.look().chips == ()
    assert smi.look().problem.startswith("npu-smi is not on PATH. Install")


def test_a_look_says_what_a_failing_tool_means(npu_smi):
    npu_smi("dcmi module initialize failed. ret is -8005", code=1)
    table = smi.look()
    assert table.said.code == -8005
    assert "cannot be used from here" in table.problem
    npu_smi(ONE, code=7)
    assert smi.look().chips
    assert "exit code 7" in smi.look().problem


def test_a_look_gives_a_driver_up_that_hangs(program):
    program("npu-smi", "import time\ntime.sleep(600)\n")
    problem = smi.look(0.5).problem
    assert problem.startswith(
        "npu-smi is here and gives no answer: `npu-smi info` has not ended after 0.5 seconds"
    )
    assert problem.endswith("restart of the machine.")


def test_a_look_says_that_a_file_is_no_program(program):
    program("npu-smi", "").write_text("not a program")
    assert "gives no answer" in smi.look().problem or "no table" in smi.look().problem
