"""Announces the components of this plugin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core import (
    DataAdapter,
    LoadedModel,
    LoadRequest,
    Metric,
    ModelLoader,
    OutputSpec,
    TargetType,
    TaskType,
    hookimpl,
    option,
)
from tags_plugin.sentences import TaggedWords, WordTagging
from tags_plugin.tags import Tags

if TYPE_CHECKING:
    from tags_plugin.accuracy import TagCounts


@dataclass
class Tagger(ModelLoader):
    """An embedding of each word, and a linear layer."""

    name: ClassVar[str] = "tagger"
    task_types: ClassVar[tuple[str, ...]] = (WordTagging.name,)
    targets: ClassVar[tuple[str, ...]] = (Tags.name,)

    width: int = option(8, "Width of the embedding.", low=1)

    def load(self, request: LoadRequest) -> LoadedModel:
        """Return a new model, or the saved one."""
        from tags_plugin.tagger import TaggerModel

        return TaggerModel(self.width, request)


@dataclass
class TagAccuracy(Metric):
    """Share of words with the correct tag."""

    name: ClassVar[str] = "tag_accuracy"
    targets: ClassVar[tuple[str, ...]] = (Tags.name,)

    def build(self, output: OutputSpec) -> TagCounts:
        """Return a new streaming metric."""
        from tags_plugin.accuracy import TagCounts

        return TagCounts()


COMPONENTS: dict[str, type[Any]] = {
    "task_type": WordTagging,
    "target_type": Tags,
    "data": TaggedWords,
    "model": Tagger,
    "metric": TagAccuracy,
}
"""The component of each extension point."""


@hookimpl
def task_types() -> Sequence[type[TaskType]]:
    """Return the task type."""
    return [WordTagging]


@hookimpl
def target_types() -> Sequence[type[TargetType]]:
    """Return the target type."""
    return [Tags]


@hookimpl
def data_adapters() -> Sequence[type[DataAdapter]]:
    """Return the data adapter."""
    return [TaggedWords]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Return the model loader."""
    return [Tagger]


@hookimpl
def metrics() -> Sequence[type[Metric]]:
    """Return the metric."""
    return [TagAccuracy]


@hookimpl
def config_paths() -> Sequence[str]:
    """Return the folder with the presets."""
    return ["pkg://tags_plugin.conf"]
