"""Pictures that are sent to workers, which do not see the storage they lie on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.engine.task import Source, file_of
from common.errors import GuideError
from common.files import read_bytes

SENT = 64 * 2**20  # bytes of pictures in a part, about


def with_path(source: Any, path: Path) -> Any:
    """Return a source whose file is another one."""
    return path if isinstance(source, Path) else replace(source, path=path)


def carries_bytes(source: Source) -> bool:
    """Tell whether a source has its picture with it, as those of an archive do, so that its file is not read."""
    return getattr(source, "data", None) is not None


def read(sources: Iterable[Source]) -> dict[Path, bytes]:
    """Return the files of sources, those that they do not carry anyway."""
    return {path: read_bytes(path) for path in {file_of(each) for each in sources if not carries_bytes(each)}}


@contextmanager
def unpacked(
    sources: Mapping[str, Any], files: Mapping[Path, bytes] | None
) -> Iterator[tuple[dict[str, Any], Callable[[str], str]]]:
    """Yield sources whose files are in a temporary directory; without files, the sources as they are.

    Also yield what gives a message the names that the files have where they come from; a GuideError in the block has them.
    """
    if files is None:
        yield dict(sources), str
        return
    with TemporaryDirectory() as folder:
        places: dict[Path, Path] = {}
        for number, (path, content) in enumerate(files.items()):
            place = Path(folder) / str(number) / path.name  # what a picture is called can say what it is
            place.parent.mkdir()
            place.write_bytes(content)
            places[path] = place

        def named(text: str) -> str:
            for path, place in places.items():
                text = text.replace(str(place), str(path))
            return text

        here = {
            key: with_path(source, places[file_of(source)]) if file_of(source) in places else source
            for key, source in sources.items()
        }
        try:
            yield here, named
        except GuideError as error:
            raise GuideError(named(str(error))) from None
