"""Constant "same" padding: equal to timm's own, and only inside the block."""

from __future__ import annotations

import contextlib
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the padding is torch's")

with (
    warnings.catch_warnings()
):  # timm compiles functions at import in a way that newer versions of torch warn of
    warnings.simplefilter("ignore")
    from timm.layers import conv2d_same as module_of_conv  # noqa: F401
    from timm.layers.padding import pad_same as original

from importlib import import_module  # noqa: E402

from patches.fixed_padding import fixed_padding, pad_same  # noqa: E402

MODULES = [import_module(f"timm.layers.{name}") for name in ("conv2d_same", "pool2d_same")]
pairs = st.tuples(st.integers(1, 7), st.integers(1, 7))


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kernel=pairs,
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    value=st.sampled_from([0, -float("inf"), 1.5]),
)
def test_padding_equals_timms_own(size, kernel, stride, dilation, value):
    x = torch.arange(2.0 * size[0] * size[1]).reshape(1, 2, *size)
    found = pad_same(x, kernel, stride, dilation, value)
    assert torch.equal(found, original(x, kernel, stride, dilation, value))


def test_it_holds_inside_the_block_and_ends_with_it_even_by_an_error():
    before = [module.pad_same for module in MODULES]
    with contextlib.suppress(KeyError), fixed_padding():
        assert [module.pad_same for module in MODULES] == [pad_same] * 2
        raise KeyError
    assert [module.pad_same for module in MODULES] == before
    assert pad_same not in before
