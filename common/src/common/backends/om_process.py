"""The process that holds an OM file open on a device, from outside.

It is a process of its own since the libraries keep Python's lock while a device works, so that in threads several
devices would take turns; since an OM file that was built for another chip can end the process that loads it; and since
what went wrong is told by what the libraries print, which is kept here. Arrays go through shared memory.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import numpy as np

from common.backends.om_session import Array, Description
from common.backends.om_worker import aligned, forms, views
from common.errors import GuideError
from common.npu_tools import acl_errors

SECONDS = 600  # for opening a model, and for a batch; the slowest of the guides' networks takes less than one
_END = 30  # seconds to release the device
_PRINTED = 64 * 2**10  # bytes of the libraries' last words that are looked at
_KEPT = 16 * 2**20  # bytes of them, after which those of earlier batches are dropped


class OmProcess:
    """An OM file that is being opened on a device; `opened` waits for it."""

    _map: mmap.mmap  # from `opened` on

    def __init__(self, path: Path, device: int) -> None:
        self._device = device
        self._printed = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed with the process
        fcntl.fcntl(self._printed, fcntl.F_SETFL, os.O_APPEND)  # the end moves, see `run`
        self._memory = _memory()
        self._connection, theirs = Pipe()
        words = [sys.executable, "-m", "common.backends.om_worker", str(theirs.fileno()), str(self._memory)]
        with theirs:
            self._process = subprocess.Popen(
                [*words, str(path.resolve()), str(device)],
                stdin=subprocess.DEVNULL,
                stdout=self._printed,
                stderr=self._printed,
                pass_fds=(theirs.fileno(), self._memory),
                # The same modules as here, and none of the working directory.
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "PYTHONSAFEPATH": "1",
                },
            )

    def opened(self) -> Description:
        """Wait until the model is open, and return what it says of itself."""
        found: Description = self._answer("opening the model")
        self._size = max(
            sum(aligned(value.size) for value in values) for values in (found.inputs, found.outputs)
        )
        os.posix_fallocate(self._memory, 0, self._size)
        self._map = mmap.mmap(self._memory, self._size)
        return found

    def run(self, arrays: Sequence[Array], batch_size: int | None) -> list[Array]:
        """Run arrays of the sizes that the model describes, one for each input; half precision comes back as float32.

        `batch_size` is set where the model takes several.
        """
        if os.fstat(self._printed.fileno()).st_size > _KEPT:
            os.truncate(self._printed.fileno(), 0)
        shapes = forms(arrays)
        for array, view in zip(arrays, views(self._map, shapes), strict=True):
            np.copyto(view, array)
        try:
            # `send` would leave a buffer behind where nobody reads, of which Python complains on stderr.
            self._connection.send_bytes(pickle.dumps((self._size, shapes, batch_size)))
        except ConnectionError:
            raise GuideError(self._ended("running it")) from None
        found = views(self._map, self._answer("running it"))
        return [output.astype(np.float32 if output.dtype == np.float16 else output.dtype) for output in found]

    def close(self) -> None:
        """Have the process release the device, and wait for its end."""
        if self._printed.closed:
            return
        self._connection.close()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._printed.close()
        os.close(self._memory)

    def _answer(self, doing: str) -> Any:
        """Return the process's answer; an error of the library, its end and its silence are errors with a remedy."""
        try:
            if not self._connection.poll(SECONDS):
                self._process.kill()
                raise GuideError(
                    f"device {self._device} has not answered for {SECONDS} seconds, {doing}. {acl_errors.TAKEN}"
                )
            kind, answer = self._connection.recv()
        except (EOFError, ConnectionError):
            raise GuideError(self._ended(doing)) from None
        if kind == "error":
            raise GuideError(
                f"device {self._device}: {doing} failed. {acl_errors.explain(self._last_words() + answer)}"
            )
        return answer

    def _ended(self, doing: str) -> str:
        """Say how the process ended by itself."""
        code = self._process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
        return (
            f"device {self._device}: the process that runs the model ended {how}, {doing}. {acl_errors.CRASHED} "
            f"{acl_errors.explain(self._last_words())}"
        )

    def _last_words(self) -> str:
        """Return the end of what the libraries have printed, in whole lines."""
        size = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, size - _PRINTED))
        text = self._printed.read().decode("utf-8", "replace")
        return text if not text or text.endswith("\n") else f"{text}\n"


def _memory() -> int:
    """Return a descriptor of memory that another process can be given."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("om")
    with tempfile.TemporaryFile() as file:  # of Pythons built for old systems
        return os.dup(file.fileno())
