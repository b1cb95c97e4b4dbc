"""What a model loader is told for a training: from the configuration, the splits and the hardware."""

from __future__ import annotations

import graft_toy
import pytest

from core.runtime.hardware import Hardware
from core.training.requests import request_for


@pytest.mark.usefixtures("toy")
def test_a_request_repeats_what_the_run_decided() -> None:
    config = graft_toy.config(seed=7, train__label_smoothing=0.1)
    splits = config.data.load(config.task, config.seed)
    request = request_for(config, splits, Hardware("cpu", "bf16"))
    assert (request.device, request.precision, request.seed) == ("cpu", "bf16", 7)
    assert (request.train, request.fingerprint) == (splits.train, splits.fingerprint)
    assert (request.labels, request.output.target.name) == (graft_toy.LABELS, "single")
    assert (request.label_smoothing, request.class_weights, request.saved) == (0.1, None, None)


@pytest.mark.usefixtures("toy")
def test_class_weights_are_those_of_the_training_split() -> None:
    config = graft_toy.config(train__class_weights="auto")
    splits = config.data.load(config.task, config.seed)
    weights = request_for(config, splits, Hardware("cpu", "fp32")).class_weights
    assert weights is not None
    counts = [sum(each.target == label for each in splits.train) for label in range(3)]
    assert sorted(weights, reverse=True) == [weights[label] for label in sorted(range(3), key=counts.__getitem__)]
