"""A second plugin: variants of a built-in loader, a built-in adapter and the like for the task type of this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from core import (
    DataAdapter,
    Footprint,
    LoadedModel,
    LoadRequest,
    ModelLoader,
    Problem,
    RunConfig,
    Splits,
    Task,
    hookimpl,
    option,
)
from plugins.data.adapters.hub import Hub
from plugins.text.plugin import Encoder
from tags_plugin.sentences import TaggedWords, WordTagging
from tags_plugin.tags import Tags


@dataclass
class EncoderTagger(Encoder):
    """A tagger with all options of an encoder."""

    name: ClassVar[str] = "encoder_tagger"
    variant_of: ClassVar[str] = "encoder"
    task_types: ClassVar[tuple[str, ...]] = (WordTagging.name,)
    targets: ClassVar[tuple[str, ...]] = (Tags.name,)
    capabilities: ClassVar[frozenset[str]] = frozenset({"gradients"})
    partly: ClassVar[Mapping[str, str]] = {}

    subwords: str = option("first", "Which parts of a word have its tag.", choices=("first", "all"))

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report no problems."""
        return ()

    def load(self, request: LoadRequest) -> LoadedModel:
        """Return a new model, or the saved one."""
        from tags_plugin.tagger import TaggerModel

        return TaggerModel(8, request)

    def footprint(self, config: RunConfig, outputs: int) -> Footprint | None:
        """Return None: the sizes are unknown."""
        return None

    def baselines(self, request: LoadRequest, examples: Sequence[Any]) -> dict[str, Any]:
        """Return no baselines."""
        return {}


@dataclass
class HubWords(Hub):
    """Generated sentences, with all options of a data set on the Hub."""

    name: ClassVar[str] = "hub_words"
    variant_of: ClassVar[str] = "hub"
    task_types: ClassVar[tuple[str, ...]] = (WordTagging.name,)

    sentences: int = option(160, "Number of sentences.", low=10)

    def load(self, task: Task, seed: int) -> Splits:
        """Generate the sentences, and split them."""
        return TaggedWords(sentences=self.sentences).load(task, seed)


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Return the variant of the encoder."""
    return [EncoderTagger]


@hookimpl
def data_adapters() -> Sequence[type[DataAdapter]]:
    """Return the variant of the Hub adapter."""
    return [HubWords]
