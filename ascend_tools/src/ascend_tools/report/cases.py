"""The part of a page that shows what went wrong: pictures with boxes, each with what it costs the figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ascend_tools.report.markup import note, section, text
from ascend_tools.report.pictures import Drawn, draw
from common.report.details import Box, Case, Cases, Total

_SMALLEST = 5e-7  # a cost that is shown as one
_WORDS = {"worst": "the {} that cost most", "median": "{} from the middle", "random": "{} drawn at random"}
_ROLES = {"truth": "annotated", "found": "found by the network", "ignored": "counts neither way"}
_COLOURS = {"truth": "#2a9fe0", "found": "#e59e00", "ignored": "#999"}


def cases(found: Cases) -> str:
    """Return the section of the cases; nothing where no kinds of them were looked for."""
    if not found.kinds and not found.cases:
        return ""
    drawn = draw([shown for case in found.cases for shown in case.pictures])
    pictures: dict[int, list[Drawn | str]] = {}
    begin = 0
    for case in found.cases:
        pictures[id(case)] = drawn[begin : begin + len(case.pictures)]
        begin += len(case.pictures)
    kinds = dict.fromkeys((*found.kinds, *(case.kind for case in found.cases)))
    parts = [
        part
        for kind in kinds
        for part in _kind(kind, found, [case for case in found.cases if case.kind == kind], pictures)
    ]
    return section("What went wrong", note(found.cost), _legend(found.cases), *parts)


def _legend(shown: Sequence[Case]) -> str:
    roles = dict.fromkeys(box.role for case in shown for each in case.pictures for box in each.boxes)
    items = "".join(
        f'<li><i style="border-color:{_COLOURS[role]}"></i>{_ROLES[role]}</li>'
        for role in _ROLES
        if role in roles
    )
    return f'<ul class="legend">{items}<li>thick: what the case is about</li></ul>' if items else ""


def _kind(
    kind: str, found: Cases, own: Sequence[Case], pictures: dict[int, list[Drawn | str]]
) -> Iterator[str]:
    total = found.kinds.get(kind, Total(len(own)))
    yield f"<h3>{text(kind.capitalize())}: {total.count:,}</h3>"
    if not own:
        return
    told = f"Together they cost {_cost(total.cost, found.metric)}. " if total.cost is not None else ""
    counts = {which: sum(case.which == which for case in own) for which in _WORDS}
    shown = ", ".join(_WORDS[which].format(count) for which, count in counts.items() if count)
    yield note(f"{told}Shown: {shown}." if len(own) < total.count else f"{told}All are shown.")
    numbers = {
        id(case): f"{case.which} {number}" for number, case in enumerate(own, 1) if case.which == "worst"
    }
    single = all(len(case.pictures) == 1 for case in own)
    parts = [
        _case(case, numbers.get(id(case), case.which), found.metric, pictures[id(case)], single=single)
        for case in own
    ]
    grid = "cases" if single else "pairs" if all(len(case.pictures) == 2 for case in own) else "strips"
    yield f'<div class="{grid}">{"".join(parts)}</div>'


def _cost(cost: float, metric: str) -> str:
    return "nothing" if abs(cost) < _SMALLEST else f"{cost:.6f} {metric}"


def _case(case: Case, which: str, metric: str, drawn: Sequence[Drawn | str], *, single: bool) -> str:
    figures = []
    for shown, picture in zip(case.pictures, drawn, strict=True):
        caption = text(shown.caption)
        mark = f" {shown.mark}" if shown.mark else ""
        if single:
            caption = _caption(case, which, metric)
        figures.append(f"<figure>{_picture(picture, mark, case)}<figcaption>{caption}</figcaption></figure>")
    if single:
        return "".join(figures)
    return f'<div class="case"><p class="note">{_caption(case, which, metric)}</p><div class="strip">{"".join(figures)}</div></div>'


def _caption(case: Case, which: str, metric: str) -> str:
    """Return why a case is shown, what it costs, what is wrong, and which picture it is."""
    first = [f'<span class="which">{text(which)}</span>']
    if case.cost is not None:
        first.append(
            f'<span class="cost">{text(_cost(case.cost, metric).replace("nothing", "costs nothing"))}</span>'
        )
    told = [f"score {case.score:.3f}"] if case.score is not None else []
    told += [f"distance {case.distance:.4f}"] if case.distance is not None else []
    told += [text(case.text)] if case.text else []
    return f'<span class="first">{"".join(first)}</span>{"; ".join(told)}<span class="key">{text(case.key)}</span>'


def _picture(picture: Drawn | str, mark: str, case: Case) -> str:
    if isinstance(picture, str):
        return f'<div class="absent{mark}">{text(picture)}</div>'
    size = f'width="{picture.width}" height="{picture.height}"'
    # What the case is about is drawn last, on top.
    boxes = "".join(rectangle(box) for box in sorted(picture.boxes, key=lambda box: box.subject))
    return (
        f'<svg class="frame{mark}" viewBox="0 0 {picture.width} {picture.height}" role="img" '
        f'aria-label="{text(case.kind)}, {text(case.key)}"><image {size} href="{picture.uri}"/>{boxes}</svg>'
    )


def rectangle(box: Box, kind: str = "") -> str:
    """Return a box as SVG, of the class of its role or of a `kind` of its own, which its title names."""
    kind = kind or box.role
    xmin, ymin, xmax, ymax = box.corners
    place = f'x="{xmin:.4g}" y="{ymin:.4g}" width="{xmax - xmin:.4g}" height="{ymax - ymin:.4g}"'
    subject = " subject" if box.subject else ""
    title = ", ".join(filter(None, (kind, box.label, "" if box.score is None else f"score {box.score:.3f}")))
    return (
        f'<rect class="back{subject}" {place}/><rect class="box {kind}{subject}" {place}>'
        f"<title>{text(title)}</title></rect>"
    )
