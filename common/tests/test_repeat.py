"""engine/repeat.py: the same random batch, once to warm up and then as often as asked."""

from __future__ import annotations

import pytest

from common.engine.repeat import check_batch_size, repeat
from tests.conftest import refused


@pytest.mark.parametrize(("batch", "size"), [("N", 3), (4, 4)])
def test_every_call_but_the_first_is_timed_with_the_same_batch(doubling, batch, size):
    network = doubling(batch, two=True)
    first, seconds = repeat(network, size, 5)
    assert network.sizes == [size] * 6
    assert len(seconds) == 5
    assert min(first, *seconds) > 0
    assert all(feeds is network.fed[0] for feeds in network.fed)
    assert network.fed[0]["image"].std() > 0


def test_a_fixed_batch_size_is_the_only_one(doubling):
    for batch, asked, chosen in (("N", None, 1), ("N", 8, 8), (4, None, 4), (4, 4, 4)):
        assert check_batch_size(doubling(batch), asked) == chosen
    for asked in (1, 5):
        with refused(f"the model was built for batches of 4; it takes no --batch-size {asked} here."):
            check_batch_size(doubling(4), asked)


def test_a_network_without_an_input_has_no_batch(doubling):
    network = doubling()
    network.inputs = ()
    with refused("the model takes no input; there is no batch to measure it with."):
        check_batch_size(network, None)
