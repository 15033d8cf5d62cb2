"""The part of a comparison's page that draws what flipped: what each run found, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ascend_tools.report.cards import Card, Tile, cards
from ascend_tools.report.cases import rectangle
from ascend_tools.report.compare_files import FLIPS
from ascend_tools.report.compare_text import flipped
from ascend_tools.report.comparison import Comparison
from ascend_tools.report.flips import rules
from ascend_tools.report.markup import note, section, text
from ascend_tools.report.pictures import Drawn, draw
from common.report.details import Case, Shown

_WORST, _WORST_OF_MANY = 6, 3  # of one comparison, and of each of several
_LEGEND = {"truth": "annotated", "right": "found, right", "false": "found, false"}
_HOW = "Thick: what only one of the two runs found, or found to be right."


def flips(compared: Sequence[Comparison], cases: Mapping[str, Sequence[Case]]) -> str:
    """Return the section of what flipped; nothing where no runs could be compared.

    Args:
        compared: the comparisons.
        cases: of the runs, by name.
    """
    most = _WORST if len(compared) == 1 else _WORST_OF_MANY
    known = [each for each in compared if each.differences]
    shown = [cards(each, [cases[run.name] for run in (each.first, each.run)], most) for each in known]
    gallery = _Gallery([tile.shown for own in shown for card in own for tile in _tiles(card)])
    parts = [part for each, own in zip(known, shown, strict=True) for part in _comparison(each, own, gallery)]
    return section("What flipped", _rule(known), _legend(shown), *parts)


def _rule(known: Sequence[Comparison]) -> str:
    units = known[0].first.units if known else None
    return note(f"Counted is {rules(units)}. All of it is in {FLIPS}.") if units else ""


def _tiles(card: Card) -> list[Tile]:
    return [*card.tiles, *(tile for _, _, tiles in card.runs for tile in tiles)]


def _legend(shown: Sequence[Sequence[Card]]) -> str:
    kinds = {kind for own in shown for card in own for tile in _tiles(card) for _, kind in tile.boxes}
    items = "".join(
        f'<li><i class="{kind}"></i>{words}</li>' for kind, words in _LEGEND.items() if kind in kinds
    )
    return f'<ul class="legend kinds">{items}<li>{_HOW}</li></ul>' if items else ""


def _comparison(compared: Comparison, own: Sequence[Card], gallery: _Gallery) -> list[str]:
    if compared.first.units is None:
        return []
    parts = [
        f"<h3>{text(compared.title)}</h3>",
        note(f"{flipped(compared.first.units, compared).capitalize()}."),
    ]
    for words, sign in (("To the worse", -1), ("To the better", 1)):
        some = [card for card in own if sign * card.flip.gain > 0]
        total = sum(sign * flip.gain > 0 for flip in compared.flips)
        if some:
            parts.append(
                f"<h4>{words}: {total:,}{f', of which {len(some)} are shown' * (len(some) < total)}</h4>"
            )
            wide = any(len(tiles) > 1 for card in some for _, _, tiles in card.runs)
            drawn = "".join(_card(card, gallery) for card in some)
            parts.append(f'<div class="{"strips" if wide else "flips"}">{drawn}</div>')
    return parts


def _card(card: Card, gallery: _Gallery) -> str:
    both = _strip("".join(_figure(tile, gallery) for tile in card.tiles), len(card.tiles))
    if not _tiles(card):
        both = '<div class="absent">The pictures are not at hand.</div>'
    runs = []
    for name, words, tiles in card.runs:
        said = f'<span class="which">{text(name)}</span> {text(words)}'
        drawn = "".join(_figure(tile, gallery) for tile in tiles)
        runs.append(f'<div class="said"><p>{said}</p>{_strip(drawn, len(tiles))}</div>')
    side = " beside" if all(len(tiles) == 1 for _, _, tiles in card.runs) else ""
    return (
        f'<div class="flip"><p class="key">{text(card.flip.key)}</p>{both}'
        f'<div class="answers{side}">{"".join(runs)}</div></div>'
    )


def _strip(drawn: str, count: int) -> str:
    sizes = {1: "one", 2: "few"}
    return f'<div class="{sizes.get(count, "strip")}">{drawn}</div>' if drawn else ""


def _figure(tile: Tile, gallery: _Gallery) -> str:
    caption = f"<figcaption>{text(tile.shown.caption)}</figcaption>" if tile.shown.caption else ""
    return f"<figure>{gallery.svg(tile)}{caption}</figure>"


class _Gallery:
    """The pictures of a page, each once in it, however often it is shown."""

    def __init__(self, shown: Sequence[Shown]) -> None:
        self._numbers = {key: number for number, key in enumerate(dict.fromkeys(map(_key, shown)))}
        once = {_key(each): each for each in shown}
        self._drawn: list[Drawn | str] = draw([once[key] for key in self._numbers])
        self._placed: set[int] = set()

    def svg(self, tile: Tile) -> str:
        """Return a picture with its boxes."""
        number = self._numbers[_key(tile.shown)]
        drawn, mark = self._drawn[number], f" {tile.shown.mark}" if tile.shown.mark else ""
        if isinstance(drawn, str):
            return f'<div class="absent{mark}">{text(drawn)}</div>'
        # What only one run found is drawn last, on top.
        boxes = "".join(
            rectangle(box, kind) for box, kind in sorted(tile.boxes, key=lambda each: each[0].subject)
        )
        return (
            f'<svg class="frame{mark}" viewBox="0 0 {drawn.width} {drawn.height}" role="img">{self._image(number, drawn)}'
            f'<g transform="translate({-drawn.left} {-drawn.top})">{boxes}</g></svg>'
        )

    def _image(self, number: int, drawn: Drawn) -> str:
        if number in self._placed:
            return f'<use href="#picture-{number}"/>'
        self._placed.add(number)
        size = f'width="{drawn.width}" height="{drawn.height}"'
        return f'<image id="picture-{number}" {size} href="{drawn.uri}"/>'


def _key(shown: Shown) -> tuple[object, ...]:
    """Return what makes a cut of a picture another one."""
    return shown.path, shown.data, shown.boxes
