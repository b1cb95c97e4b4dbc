"""The head of sequence classification: one row of logits per text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.contracts import LoadRequest
from core.tasks import MULTI, REGRESSION, SINGLE, OutputSpec, TextExample
from plugins.text.backbones.decoders import DECODERS
from plugins.text.backbones.encoders import ARCHITECTURES as ENCODERS
from plugins.text.backbones.head_type import HeadType
from plugins.text.backbones.networks import is_decoder
from plugins.text.backbones.pooling import classifier


def network_of(config: Any) -> Any:
    """Return the sequence-classification class for a configuration. Decoders get Graft's pooling.

    Raises:
        ValueError: transformers has no such class.
    """
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as CLASSES

    if type(config) not in CLASSES:
        raise ValueError(f"transformers has no sequence classifier for the architecture {config.model_type!r}")
    network = CLASSES[type(config)]
    return classifier(network) if is_decoder(config, network) else network


def _entries(request: LoadRequest) -> dict[str, Any]:
    """Return labels and problem type as entries of transformers' configuration."""
    output, names = request.output, _output_names(request.output)
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: index for index, name in enumerate(names)},
        "problem_type": _problem_type(output),
        **({"label_names": list(output.labels)} if output.labels and names != output.labels else {}),
    }


def _output_names(output: OutputSpec) -> tuple[str, ...]:
    """Return a name for each output of the head: its label if each output has one."""
    if output.width == len(output.labels):
        return output.labels
    if output.layout == REGRESSION and output.width == 1:
        return ("value",)
    return tuple(f"output_{number}" for number in range(output.width))


def _problem_type(output: OutputSpec) -> str | None:
    """Return transformers' name for what the outputs mean; None if it has no such name.

    A plugin's target type with the layout `single` may have other outputs than one per label, which are not logits of
    a softmax. None claims nothing about them.
    """
    known = {
        SINGLE: ("single_label_classification", len(output.labels)),
        MULTI: ("multi_label_classification", len(output.labels)),
        REGRESSION: ("regression", 1),
    }
    name, width = known.get(output.layout, (None, 0))
    return name if width == output.width else None


def _texts(examples: Sequence[TextExample]) -> Iterator[str]:
    for row in range(len(examples)):
        yield examples[row].text
        if pair := examples[row].pair:
            yield pair


SEQUENCE = HeadType("SequenceClassification", {**ENCODERS, **DECODERS}, network_of, _entries, _texts)
"""The head of text classification."""
