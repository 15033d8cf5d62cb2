"""Why a printout of npu-smi shows no chips: the tool is there and cannot use the card, or was asked something else."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NODES = "/dev/davinci*, davinci_manager, devmm_svm and hisi_hdc"
_SAVE = "Save what `npu-smi info` prints, without options."
_MOST = 100_000  # characters of a printout that are searched
_CODE = re.compile(r"(?<![\w.-])-[89][0-9]{3}(?![0-9])")


@dataclass(frozen=True)
class Said:
    """What a printout without chips means, what to do, and the code of the driver's library DCMI where it names one."""

    found: str
    remedy: str
    code: int | None = None

    def __str__(self) -> str:
        """Return both as sentences."""
        return f"{self.found}. {self.remedy}"


ABSENT = Said(
    "npu-smi is not on PATH",
    "Install the NPU's driver; in a container, mount the host's: /usr/local/bin/npu-smi (on some hosts "
    "/usr/local/sbin/npu-smi), /usr/local/dcmi and /usr/local/Ascend/driver.",
)
HANGS = Said(
    "npu-smi is here and gives no answer",
    "A driver that hangs, and a card that was lost (dmesg tells), take a restart of the machine.",
)
_TAKEN = Said(
    "npu-smi is here, but the NPU cannot be used from here",
    "End the other container or virtual machine that has it; join the group HwHiAiUser; restart the machine where the driver "
    f"was upgraded; in a container, mount the devices {_NODES}, and /usr/local/dcmi.",
)
_DENIED = Said(
    "npu-smi is here, but this user may not use the NPU",
    "Join the group HwHiAiUser (sudo usermod -aG HwHiAiUser $USER, then a new login); in a container, mount the devices "
    f"{_NODES}.",
)
_LIBRARY = Said(
    "npu-smi is here, but does not find the driver's libraries",
    "Install the driver; in a container, mount /usr/local/Ascend/driver and /usr/local/dcmi; where they are, put "
    "/usr/local/Ascend/driver/lib64/driver and lib64/common into LD_LIBRARY_PATH.",
)
_VERSIONS = Said(
    "npu-smi is here, but the libraries it finds are not of its version",
    "Mount the host's whole /usr/local/Ascend/driver/lib64, and put no other libraries before it in LD_LIBRARY_PATH.",
)
_NO_CHIP = Said(
    "npu-smi is here and shows a table without a chip: the driver sees none",
    "See whether the card is in its place (lspci -d 19e5:) and what the driver says (dmesg); restart the machine.",
)
_NO_CARD = Said("npu-smi is here and says that this server has no NPU card", _NO_CHIP.remedy)
_FOREIGN = Said("npu-smi is here, but was built for another processor", "Mount the host's own npu-smi.")
_CODES = {
    -8002: _DENIED,
    -8005: _TAKEN,
    -8008: Said(
        "npu-smi is here, but the NPU has not answered in time",
        "It is busy or hangs: ask again, and restart the machine if it stays so.",
    ),
    -8020: Said(
        "npu-smi is here, but the NPU is in use or does not answer",
        "End the other container that has it; where there is none, driver and firmware may not fit each other, or it is being "
        "reset: restart the machine. In a container, mount /usr/local/dcmi, and of /usr/local/Ascend/driver lib64 and "
        "version.info.",
    ),
    -9005: Said(
        "npu-smi is here, but cannot ask the board",
        "The container has some of the host's devices only, or lacks /usr/local/dcmi. Inference may work nevertheless: run a "
        "small model on device 0.",
    ),
}
# Words of printouts without chips, in the order in which they are looked for.
_WORDS = (
    (
        r"npu-smi\W{0,4}(?:command )?not found|not found\W{0,4}npu-smi|npu-smi\W{0,4}未找到命令|no such file or directory\W{0,4}npu-smi|npu-smi: no such",
        ABSENT,
    ),
    (r"cannot open shared object|lib\w{1,40}\.so[^\n]{0,80}(?:not found|no such)", _LIBRARY),
    (
        r"failed to (?:call|load|open) \W?(?:lib)?(?:dcmi|drvdsmi|ascend_hal)|dl(?:open|sym)[^\n]{0,80}fail",
        _LIBRARY,
    ),
    (r"undefined symbol|version \W?glibc", _VERSIONS),
    (r"permission denied|not permitted|insufficient permission|must be root", _DENIED),
    (r"exec format error|cannot execute", _FOREIGN),
    (r"(?:total|card) count\s{0,40}:", Said("This is `npu-smi info -l`, which names no chips", _SAVE)),
    (
        r"(?:chip count|product name|npu id|chip id)\s{0,40}:",
        Said("This is about one chip and does not name it", _SAVE),
    ),
    (r"usage:? npu-smi|error parameter", Said("This is a word of help of npu-smi", _SAVE)),
    (r"no npu card on this server", _NO_CARD),
    (r"\|\s{0,40}npu\s[^\n]{0,200}health|chip logic id", _NO_CHIP),
    (
        r"process id|no running process",
        Said("This is a list of processes without the table before it", _SAVE),
    ),
    (r"dcmi|dsmi|drv\w{1,40} fail", _TAKEN),
)


def why(text: str) -> Said:
    """Return why a printout has no chips: never that there are none, unless an empty table says so."""
    text = text[:_MOST]
    if code := _CODE.search(text):
        known = _CODES.get(int(code[0]), _TAKEN)
        return Said(f"{known.found} (the driver's library says {code[0]})", known.remedy, int(code[0]))
    for form, said in _WORDS:
        if re.search(form, text, re.IGNORECASE):
            return said
    return Said("Here is no table of `npu-smi info`", _SAVE)
