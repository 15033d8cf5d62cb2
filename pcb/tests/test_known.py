"""known.py: the made-up predictions tell a match curve that is off by one."""

from __future__ import annotations

import pytest

from pcb_market import known
from pcb_market.metric import Scores


@pytest.mark.parametrize(("off", "others"), [(-1, {"top-1"}), (1, {"top-1", "top-5", "top-10"})])
def test_a_match_curve_that_is_off_by_one_gives_other_figures(monkeypatch, off, others):
    right = known.figures()
    monkeypatch.setattr(Scores, "top", lambda scores, k: float(scores.cmc[k - 1 + off]))
    wrong = known.figures()
    assert {name for name in right if abs(right[name] - wrong[name]) > 0.01} == others
