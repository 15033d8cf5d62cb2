"""Fetching a published file: resumable, and believed only if it is the published one."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from tqdm import tqdm

from common.alone import alone
from common.errors import GuideError
from common.facts import Checkpoint
from common.files import hash_once

TIMEOUT = 20  # seconds without a byte


class UnavailableError(GuideError):
    """The file is not here and no source could give it."""


def fetch(checkpoint: Checkpoint, folder: Path) -> Path:
    """Return `folder/<file>`, downloaded if it is not there, verified against what is published of size and hashes.

    An interrupted download stays as `<file>.part` and is continued; two at once are one after the other. Sources are
    tried in order. Where no hash is published, nothing is downloaded, since nothing could be verified.
    """
    target = folder / checkpoint.file
    failures: list[str] = []
    if not target.is_file() and (checkpoint.sha256 or checkpoint.md5):
        with alone(folder):
            if not target.is_file():  # nor has another run downloaded it meanwhile
                failures = _download_any(target, checkpoint)
                if target.is_file():
                    return target
    if target.is_file():
        verify(target, checkpoint)
        return target
    unverifiable = "not downloaded, for no hash of it is published that could verify it"
    failures = failures or [f"  {url}: {unverifiable}" for url in checkpoint.urls]
    raise UnavailableError(
        f"could not download {checkpoint.file}:\n"
        + "\n".join(failures)
        + f"\nGet the file{f' ({checkpoint.identity})' if checkpoint.identity else ''} on another machine and put it at "
        f"{target.resolve()}, or name it with --checkpoint."
    )


def _download_any(target: Path, checkpoint: Checkpoint) -> list[str]:
    """Download a file from the first source that gives it; return how the others failed."""
    part = target.with_name(f"{target.name}.part")
    failures = []
    for url in checkpoint.urls:
        try:
            _obtain(url, part, checkpoint)
        except (OSError, http.client.HTTPException, GuideError) as error:  # URLError is an OSError
            failures.append(f"  {url}: {error}")
            continue
        part.replace(target)
        break
    return failures


def verify(path: Path, checkpoint: Checkpoint) -> None:
    """Refuse a file whose size or hash is not the published one."""
    found = path.stat().st_size
    remedy = (
        ""
        if path.suffix == ".part"
        else " Remove it and run this again to fetch it, or name weights of your own with --checkpoint."
    )
    if checkpoint.bytes not in (None, found):
        raise GuideError(f"{path}: expected {checkpoint.bytes} bytes, found {found}.{remedy}")
    for algorithm, expected in (("sha256", checkpoint.sha256), ("md5", checkpoint.md5)):
        digest = hash_once(path, algorithm) if expected else expected
        if digest != expected:
            raise GuideError(f"{path}: expected {algorithm} {expected}, found {digest}.{remedy}")


def _obtain(url: str, part: Path, checkpoint: Checkpoint) -> None:
    """Download `part`, going on from what is there; if that was not the same file, all of it."""
    if checkpoint.bytes is not None and part.exists() and part.stat().st_size >= checkpoint.bytes:
        part.unlink()  # complete yet not renamed: it is another file
    fresh = not part.exists()
    try:
        _download(url, part, checkpoint.bytes)
    except urllib.error.HTTPError as error:
        # Nothing is left to send: what is here may be complete, where the size is not published.
        if fresh or error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
    try:
        verify(part, checkpoint)
    except GuideError:
        if fresh:
            raise
        part.unlink()
        _download(url, part, checkpoint.bytes)
        verify(part, checkpoint)


def _download(url: str, part: Path, size: int | None) -> None:
    """Append what is missing of `url` to `part`; a server that cannot resume starts it again."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310  the URL is ours, from model.toml
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
        resumed = response.status == http.client.PARTIAL_CONTENT
        have = have if resumed else 0
        total = size if size is not None or response.length is None else have + response.length
        bar = tqdm(total=total, initial=have, desc=part.stem, unit="B", unit_scale=True, disable=None)
        with bar, part.open("ab" if resumed else "wb") as file:
            while block := response.read(1 << 16):
                have += len(block)
                if total is not None and have > total:
                    raise GuideError(f"sent more than the published {total} bytes.")
                file.write(block)
                bar.update(len(block))
    if total is not None and have < total:
        raise GuideError(f"ended after {have} of {total} bytes; the next try goes on from there.")
