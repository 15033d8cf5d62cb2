"""compare/with_torch.py: a deployed network beside torch, on the same items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="it is compared with")

from common import cli  # noqa: E402
from common.backends.deployed import open_deployed  # noqa: E402
from common.compare.agreement import LONGEST, REDUCED_METRIC, last_line  # noqa: E402
from common.compare.with_torch import AT_ONCE, with_torch  # noqa: E402
from common.engine.task import Task  # noqa: E402
from common.errors import GuideError  # noqa: E402
from common.facts import read_facts  # noqa: E402
from common.timing import Stopwatch  # noqa: E402
from tests.conftest import refused  # noqa: E402

TOLERANCE = ('holds = "the sum of each channel"', 'holds = "the sum of each channel"\ntolerance = 2e-3')


class Tiny(torch.nn.Module):
    """What the tiny ONNX file computes, and something to `scaled` and to the sums of pictures of `special`."""

    def __init__(self, scaled=0.0, sums=0.0, special=None):
        super().__init__()
        self.scaled, self.sums, self.special = scaled, sums, special

    def forward(self, x):
        which = torch.ones(len(x)) if self.special is None else (x[:, 0, 0, 0] == self.special).float()
        return 2 * x + self.scaled * which.view(-1, 1, 1, 1), x.sum((2, 3)) + self.sums * which.view(-1, 1)


def prepare(number):
    return {"image": np.full((4, 6, 3), 104 + number, np.uint8)}, number


def finish(outputs, number):
    """Return the sums over 40, of three channels at most."""
    if number == 13:
        raise GuideError("too many.")
    sums = outputs[1]
    return sums[sums > 40]


def sources(count):
    return {f"name {number}": number for number in range(count)}


@pytest.fixture
def compare(make_onnx, write_model):
    folder = write_model(TOLERANCE)
    facts = read_facts(folder)

    def run(network, items, batch="N", precision="float32", **options):
        with open_deployed(make_onnx(batch=batch), None, facts, folder) as deployed:
            deployed.precision = precision
            return with_torch(Task(prepare, finish), facts, folder, deployed, network, items, **options)

    return run


def equal(found, wanted):
    return len(set(found.tolist()) & set(wanted.tolist()))


@pytest.mark.parametrize("batch", ["N", 1, 4])
@pytest.mark.parametrize("count", [1, AT_ONCE, 2 * AT_ONCE + 1])
def test_two_that_compute_the_same_agree(compare, batch, count):
    found = compare(Tiny(), sources(count), batch)
    assert found.largest == (0.0, 0.0)
    assert found.same is None
    assert list(found.torch) == list(sources(count))
    assert [result.tolist() for result in found.torch.values()][:3] == [[], [], [48.0]][:count]
    assert found.metrics == {
        "largest difference from torch, scaled": 0.0,
        "largest difference from torch, sums": 0.0,
    }
    found.check()
    first, scaled, sums = found.lines
    assert first == f"agreement with torch on {cli.counted(count, 'input')}:"
    assert scaled.startswith("  scaled: largest difference 0.00e+00, accepted ")
    deviation = np.sqrt((count**2 - 1) / 12)  # of the items' numbers
    if count == 1:
        assert found.spread is None
        assert sums == "  sums: largest difference 0.00e+00, accepted 2.0e-03"
    else:
        assert found.spread == pytest.approx((2 * deviation, 24 * deviation))
        changes = f"accepted {0.024 * deviation:.1e}; from item to item it changes by {24 * deviation:.1e}"
        assert sums == f"  sums: largest difference 0.00e+00, {changes}"


@given(count=st.integers(1, 11), which=st.integers(0, 10))
def test_the_largest_difference_is_found_wherever_it_is(compare, count, which):
    """The first channel of item 9 is 9."""
    found = compare(Tiny(scaled=-0.5, special=float(which)), sources(count))
    assert found.largest == (0.5 if which < count else 0.0, 0.0)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Tiny(scaled=0.25), "output 'scaled' differs from torch by 2.50e-01, more than 5.2e-03. "),
        (Tiny(sums=0.25, special=6.0), "output 'sums' differs from torch by 2.50e-01, more than 6.2e-02. "),
    ],
)
def test_a_difference_beyond_what_is_accepted_is_refused_when_it_is_asked(compare, network, message):
    found = compare(network, sources(9))
    with refused(f"{message}Was the ONNX file exported from this checkpoint?"):
        found.check()


@pytest.mark.parametrize(("scaled", "accepted"), [(1.0, True), (2.0, False)])
def test_in_half_precision_only_gross_differences_are_refused(compare, scaled, accepted):
    found = compare(Tiny(scaled=scaled), sources(9), precision="float16", same=lambda ours, theirs: 0)
    assert "accepted 1.3e+00;" in found.lines[1]
    assert found.same == 0
    if accepted:
        found.check()
    else:
        with refused("output 'scaled' differs from torch by 2.00e+00, more than 1.3e+00. ", whole=False):
            found.check()


class Stray(Tiny):
    """The first of the 72 values of `scaled` is off by 2."""

    def forward(self, x):
        scaled, sums = super().forward(x)
        scaled[:, 0, 0, 0] += 2
        return scaled, sums


def test_in_bfloat16_a_stray_value_is_no_gross_difference(compare):
    found = compare(Stray(), sources(9), precision="bfloat16")
    assert found.largest == (2.0, 0.0)
    assert found.squares == pytest.approx((2 / 72**0.5, 0))
    assert "largest difference 2.00e+00; their root mean square 2.36e-01, accepted 1.3e+00;" in found.lines[1]
    found.check()
    found = compare(Tiny(scaled=2.0), sources(9), precision="bfloat16")
    with refused("output 'scaled' differs from torch by 2.00e+00, more than 1.3e+00. ", whole=False):
        found.check()


def test_equal_results_are_counted_over_all_items(compare):
    """Item n has the sums 24n, 24(n - 13) and 24(n - 19) for what AIPP makes of it; torch's differ for item 5."""
    found = compare(Tiny(sums=0.25, special=5.0), sources(8), same=equal)
    assert [result.tolist() for result in found.torch.values()][:6] == [[], [], [48], [72], [96], [120.25]]
    theirs, ours, both = 6, 6, 5
    assert found.same == both / (theirs + ours - both)
    assert found.metrics["agreement with torch"] == found.same
    assert next(iter(found.metrics)) == "agreement with torch"
    assert found.lines[-1] == "  found: torch 6, deployed 6, the same 5 (71.43 %)"
    message = "71.4 % of the detections are the same as torch's, fewer than 90 %. "
    with refused(message, whole=False):
        replace(found, largest=(0.0, 0.0)).check()
    none = compare(Tiny(), sources(2), same=equal)
    none.check()
    assert none.same is None
    assert "agreement with torch" not in none.metrics
    assert none.lines[-1] == "  found: torch 0, deployed 0, the same 0 (nothing to compare)"


def test_differences_can_be_measured_otherwise(compare):
    def doubled(found, wanted):
        return np.array([2 * np.abs(f - w).max() for f, w in zip(found, wanted, strict=True)])

    assert compare(Tiny(scaled=0.25), sources(3), differences=doubled).largest == (0.5, 0.0)


def test_a_difference_that_is_nan_stays(compare):
    def undefined_at_first(found, wanted):
        return np.array([np.nan if wanted[0][0, 0, 0] == 0 else 0.0, 0.0])

    found = compare(Tiny(), sources(6), differences=undefined_at_first)
    assert np.isnan(found.largest[0])
    with pytest.raises(GuideError, match="output 'scaled' differs from torch by nan"):
        found.check()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Tiny(), "name 13: too many."),
        (Tiny(sums=np.nan), "name 0: output 'sums' holds values that are not finite."),
        (Tiny(sums=np.inf), "name 0: output 'sums' holds values that are not finite."),
    ],
)
def test_an_error_of_the_network_or_of_finishing_begins_with_the_items_key(compare, network, message):
    with refused(message):
        compare(network, sources(15))


def test_the_deployed_results_and_torchs_first_outputs_are_kept(compare):
    found = compare(Tiny(sums=0.25), sources(6))
    assert [result.tolist() for result in found.deployed.values()][3:] == [[72], [96], [120]]
    assert found.first[1].tolist() == [0.25, 24 * -13 + 0.25, 24 * -19 + 0.25]
    assert found.first[1].base is None  # of its own, not a row of all outputs


@pytest.mark.parametrize("size", [None, 1, 3, 7])
def test_the_deployed_network_runs_once_and_in_the_batches_asked_for(compare, size):
    watch = Stopwatch()
    found = compare(Tiny(), sources(7), batch_size=size, watch=watch)
    assert list(found.deployed) == list(sources(7))
    assert {"preprocess", "infer", "postprocess", "run"} <= watch.seconds.keys()


AGREES = "Tiny: export and deployment agree with torch: OK"
FAILS = "Tiny: export and deployment agree with torch: FAIL: "


@pytest.mark.parametrize(
    ("precision", "value", "is_accepted"),
    [
        *(("float32", value, value >= 0.99) for value in (1.0, 0.99, 0.9899, 0.0, float("nan"))),
        *(
            ("bfloat16", value, value >= REDUCED_METRIC)
            for value in (1.0, 0.7, REDUCED_METRIC, 0.1, float("nan"))
        ),
    ],
)
def test_the_metric_with_torchs_results_as_the_truth_is_judged(compare, precision, value, is_accepted):
    found = compare(Tiny(), sources(9), precision=precision).judged(("AP", value), (), seeded=True)
    assert found.report["verdict"] == ("OK" if is_accepted else "FAIL")
    stored = None if np.isnan(value) else value
    accepted = 0.99 if precision == "float32" else REDUCED_METRIC
    assert found.report["metric"] == {"name": "AP", "value": stored, "accepted": accepted}
    if is_accepted:
        found.check()
        assert found.last_line == AGREES
        assert found.report["why"] is None
    else:
        message = f"AP with torch's results as the truth is {value:.4f}, less than {accepted:g}. "
        told, _, reduced = found.report["why"].partition(" If so, it loses this in ")
        assert told == f"{message}Was the ONNX file exported from this checkpoint?"
        assert reduced.startswith("bfloat16") == (precision == "bfloat16")
        assert found.last_line == FAILS + message.rstrip(" .")
        with refused(message, whole=False):
            found.check()


def test_what_is_not_as_recorded_fails_and_all_reasons_are_told(compare):
    agreed = compare(Tiny(), sources(9))
    fine = agreed.judged(("AP", 1.0), (), seeded=False)
    assert (fine.report["known answers"], fine.last_line) == ("OK", AGREES)
    assert fine.lines[-1] == "  known answers (inputs, results, figures): as recorded"
    assert fine.report["share of spread"] == {"scaled": 0, "sums": 0}
    wrong = agreed.judged(("AP", 0.5), ("known inputs: other. Look at x.",), seeded=True)
    assert wrong.report["known answers"] == "known inputs: other. Look at x."
    assert wrong.last_line.startswith(f"{FAILS}AP with torch's results as the truth is 0.5000")
    with pytest.raises(
        GuideError, match=r"(?s)AP with torch's .* is 0.5000, .*known inputs: other. Look at x."
    ):
        wrong.check()
    first = wrong.with_others({"regions": 0.1}, ("0.1 regions. None.",))
    assert first.last_line == f"{FAILS}0.1 regions"
    assert first.metrics["regions"] == 0.1


def test_shares_that_are_not_finite_are_null(compare):
    found = replace(compare(Tiny(), sources(3)), largest=(float("nan"), 0.0))
    assert found.report["share of spread"] == {"scaled": None, "sums": 0}
    assert found.report["verdict"] == "FAIL"


def test_the_last_line_has_the_beginning_of_a_long_reason(write_model):
    line = last_line(
        read_facts(write_model()), ["expected " + "inputs and outputs " * 40 + ". Take another."]
    )
    assert line.startswith(f"{FAILS}expected inputs and outputs inputs")
    assert line.endswith(" ...")
    assert len(line) <= len(FAILS) + LONGEST + len(" ...")
