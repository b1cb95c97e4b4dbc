"""The issues of annotated images and their objects, with cures."""

from __future__ import annotations

from core.issues import RowIssue

OBJECT = "object"
"""The noun for counts of issues of single objects, whose image is still used."""

_CURES = {
    "bad_box": "Correct it, or remove the object.",
    "not_finite": "Correct the number, or remove the object.",
    "degenerate_box": "Draw it again, or remove the object.",
    "inverted_box": "Correct the order of its corners, or remove the object.",
    "box_outside": "Check that the annotations belong to this image, or remove the object.",
    "not_normalized": "Divide x by the image's width and y by its height.",
    "unknown_class": "Add the class to the names, or correct the object.",
    "label_without_image": "Add it, set the folder of images (data.images), or remove the annotations.",
    "missing_annotation": "Add the image and its annotations, or remove it from the list.",
    "size_differs": "Scale the boxes to the image, or correct the stated size.",
    "no_usable_object": "Correct its objects, or remove the image.",
    "broken_annotation": "Export the annotations again, or correct the file.",
    "path_outside": "Set data.root to a folder that contains all images, or move the image.",
    "undecodable_name": "Rename the file.",
    "unknown_image": "Correct image_id, or add the image to `images`.",
}


def image_fault(code: str, message: str) -> RowIssue:
    """Return an issue that makes an image unusable."""
    return RowIssue(code, message, _CURES[code], what="image")


def object_fault(code: str, message: str) -> RowIssue:
    """Return an issue that makes an object unusable."""
    return RowIssue(code, message, _CURES[code], what=OBJECT)


def note(code: str, message: str, what: str = OBJECT) -> RowIssue:
    """Return a note about an object or image that is still used."""
    return RowIssue(code, message, level="note", what=what)
