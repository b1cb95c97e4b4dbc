"""Encoding the objects of images: label names become indices, and what is wrong with an image is an issue."""

from __future__ import annotations

from core.tasks.detection.boxes import Boxes, NamedBox
from core.tasks.detection.target import BoxesTarget
from core.tasks.task import Task

AT = (0.0, 1.0, 4.0, 5.0)


def encode(task: Task, *images: list[NamedBox]) -> tuple[tuple[str, ...], list[object], list[tuple[str, str]]]:
    encoder = BoxesTarget().encoder(task)
    for image in images:
        assert encoder.add(image) is None
    encoded, problems = encoder.finish()
    return encoded.labels, [encoded[row] for row in range(len(images))], problems


def test_labels_are_sorted_and_objects_keep_their_corners_and_crowds() -> None:
    labels, targets, problems = encode(
        Task(), [NamedBox("dog 10", AT), NamedBox("dog 2", AT, crowd=True)], [], [NamedBox("dog 2", AT)]
    )
    assert labels == ("dog 2", "dog 10")
    assert targets == [Boxes((AT, AT), (1, 0), (False, True)), Boxes(), Boxes((AT,), (0,))]
    assert problems == []


def test_an_image_without_annotations_or_with_an_unknown_label_is_an_issue() -> None:
    encoder = BoxesTarget().encoder(Task(labels=["cat", "dog"]))
    issues = [encoder.add(None), encoder.add([NamedBox("dgo", AT)])]
    assert [issue and issue.code for issue in issues] == ["not_labelled", "unknown_label"]
    assert issues[1] is not None
    assert "'dog'" in issues[1].cure


def test_images_without_any_object_are_a_problem() -> None:
    _, targets, problems = encode(Task(labels=["cat"]), [], [])
    assert targets == [Boxes(), Boxes()]
    assert "no image has an object" in problems[0][0]
