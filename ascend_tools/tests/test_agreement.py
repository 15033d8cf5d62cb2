"""evaluate.py beside torch, with the network in full size: every change of the deployed one must be found out.

Both run once on a few items. What is done to outputs is done to what they gave then; a changed input runs anew.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

pytest.importorskip("torch", reason="it is compared with")

from ascend_tools.testing.exports import seeded_export
from common import evaluation
from common.backends import torch as torch_backend
from common.export import checkpoint, download

pytestmark = pytest.mark.full_size


def swapped(image):
    """Swap the first and the last channel, of NCHW float32 or NHWC uint8."""
    return np.ascontiguousarray(np.flip(image, 3 if image.dtype == np.uint8 else 1))


def with_another_mean(image):
    """Move all values by 2 % of the range of pictures."""
    if image.dtype == np.uint8:
        return np.minimum(image, 250) + np.uint8(5)
    return image + np.float32(0.02) * (image.max() - image.min())


INPUT_CHANGES = {"channels swapped": swapped, "another mean": with_another_mean}
OUTPUT_CHANGES = {
    "times 0": lambda output, mean: 0 * output,
    "times 0.5": lambda output, mean: output / 2,
    "rolled by one place": lambda output, mean: np.roll(output, 1, axis=1),
    "the same for all inputs": lambda output, mean: mean,
    "rounded to tenths": lambda output, mean: np.round(output * 10 / np.abs(output).max()) / 10,
}


class Changed:
    """A deployed network, one item after the other; what it gave for the unchanged items is remembered."""

    def __init__(self, inner):
        self.inner, self.known = inner, {}
        self.before, self.after = lambda image: image, {}
        self.models = (self,)  # not the inner one's, which know of no change

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def run(self, feeds):
        names = list(feeds)
        items = [
            self._run_one(dict(zip(names, (rows[None] for rows in item), strict=True)))
            for item in zip(*feeds.values(), strict=True)
        ]
        return [np.concatenate(outputs) for outputs in zip(*items, strict=True)]

    def _run_one(self, feeds):
        first = self.inner.inputs[0].name
        feeds = {**feeds, first: self.before(feeds[first])}
        key = digest(feeds.values())
        if key not in self.known:
            self.known[key] = self.inner.run(feeds)
        means = [
            np.mean(outputs, axis=0, dtype=np.float32) for outputs in zip(*self.known.values(), strict=True)
        ]
        return [
            self.after[k](output, means[k]) if k in self.after else output
            for k, output in enumerate(self.known[key])
        ]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        """Stay open: it is used again."""


def digest(arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@pytest.fixture(scope="module")
def deployed(folder, facts):
    """The exported network, and torch's, both of which remember."""
    import evaluate

    made = seeded_export(folder)
    network, results = evaluate.load(None), {}
    original_open, original_run = evaluation.open_anywhere, torch_backend.run_torch

    def run_torch(module, *inputs):
        key = digest(inputs)
        if key not in results:
            results[key] = original_run(module, *inputs)
        return results[key]

    path = next(path for path in made.rglob("*.onnx") if path.name == facts.onnx.rpartition("/")[2])
    changed = None

    def open_deployed(*arguments, **options):
        nonlocal changed
        changed = changed or Changed(original_open(*arguments, **options))
        changed.before, changed.after = open_deployed.before, open_deployed.after
        return changed

    open_deployed.before, open_deployed.after = (lambda image: image), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "load", lambda checkpoint: network)
        patch.setattr(evaluation, "open_anywhere", open_deployed)
        patch.setattr(torch_backend, "run_torch", run_torch)
        yield path, open_deployed


@pytest.fixture
def measured(facts, deployed, run, tmp_path, monkeypatch):
    """Return a function that runs evaluate.py with a changed network, on two pictures, or LFW's least ten pairs."""

    def unavailable(facts, folder):
        raise download.UnavailableError(f"could not download {facts.checkpoint.file}")

    monkeypatch.setattr(checkpoint, "published", unavailable)
    path, opened = deployed
    limit = 10 if facts.accuracy.dataset == "LFW" else 2

    def measure(name, before=lambda image: image, after=None):
        opened.before, opened.after = before, after or {}
        out = tmp_path / name.replace(" ", "_")
        return run("evaluate.py", "--model", path, "--limit", limit, "--out", out, "-j", 1)

    return measure


def test_every_change_of_the_deployed_network_is_refused(facts, measured):
    done = measured("unchanged")
    assert done.returncode == 0, done.stderr
    changes = [(name, {"before": change}) for name, change in INPUT_CHANGES.items()]
    for k, tensor in enumerate(facts.outputs):
        changes += [
            (f"{tensor.name} {name}", {"after": {k: change}}) for name, change in OUTPUT_CHANGES.items()
        ]
    found = {name: measured(name, **change) for name, change in changes}
    told = {
        name: done.stderr.rpartition("error: ")[2] for name, done in found.items() if done.returncode == 1
    }
    assert told.keys() == found.keys()
    # Features of length 0 are refused before anything is compared.
    assert [text for text in told.values() if "torch" not in text and "is zero" not in text] == []
