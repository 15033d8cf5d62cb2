"""Fetching a published file: resumable, and believed only if size and hash are the published ones."""

from __future__ import annotations

import http.client
import urllib.request
from pathlib import Path

from tqdm import tqdm

from common.errors import GuideError
from common.files import sha256
from common.model_toml import Checkpoint

TIMEOUT = 20  # seconds without a byte


class UnavailableError(GuideError):
    """The file is not here and no source could give it."""


def fetch(checkpoint: Checkpoint, folder: Path) -> Path:
    """Return `folder/<file>`, downloaded if it is not there, with size and SHA-256 verified.

    An interrupted download stays as `<file>.part` and is continued. Sources are tried in order.
    """
    target = folder / checkpoint.file
    if target.is_file():
        _verify(target, checkpoint)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    failures = []
    for url in checkpoint.urls:
        try:
            _obtain(url, part, checkpoint)
        except (OSError, http.client.HTTPException, GuideError) as error:  # URLError is an OSError
            failures.append(f"  {url}: {error}")
            continue
        part.replace(target)
        return target
    raise UnavailableError(
        f"could not download {checkpoint.file}:\n"
        + "\n".join(failures)
        + f"\nGet the file ({checkpoint.bytes} bytes, sha256 {checkpoint.sha256}) on another machine and put it at "
        f"{target.resolve()}, or name it with --checkpoint."
    )


def _obtain(url: str, part: Path, checkpoint: Checkpoint) -> None:
    """Download `part`, going on from what is there; if that was not the same file, all of it."""
    fresh = not part.exists()
    _download(url, part, checkpoint.bytes)
    if not fresh and part.stat().st_size == checkpoint.bytes and sha256(part) != checkpoint.sha256:
        _download(url, part, checkpoint.bytes)
    _verify(part, checkpoint)


def _download(url: str, part: Path, size: int) -> None:
    """Append what is missing of `url` to `part`; a server that cannot resume starts it again."""
    if part.exists() and part.stat().st_size >= size:
        part.unlink()  # complete yet not renamed: it is another file
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310  the URL is ours, from model.toml
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
        resumed = response.status == http.client.PARTIAL_CONTENT
        have = have if resumed else 0
        bar = tqdm(total=size, initial=have, desc=part.stem, unit="B", unit_scale=True, disable=None)
        with bar, part.open("ab" if resumed else "wb") as file:
            while block := response.read(1 << 16):
                have += len(block)
                if have > size:
                    raise GuideError(f"sent more than the published {size} bytes.")
                file.write(block)
                bar.update(len(block))


def _verify(path: Path, checkpoint: Checkpoint) -> None:
    found = path.stat().st_size
    if found < checkpoint.bytes and path.suffix == ".part":
        raise GuideError(f"ended after {found} of {checkpoint.bytes} bytes; the next try goes on from there.")
    if found != checkpoint.bytes:
        raise GuideError(
            f"{path}: expected {checkpoint.bytes} bytes, found {found}. Remove it and fetch it again."
        )
    digest = sha256(path)
    if digest != checkpoint.sha256:
        path_hint = "" if path.suffix == ".part" else " Remove it and fetch it again."
        raise GuideError(f"{path}: expected sha256 {checkpoint.sha256}, found {digest}.{path_hint}")
