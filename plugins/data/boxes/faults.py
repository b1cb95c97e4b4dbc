"""What can be wrong with annotated images and their objects, and how to fix it."""

from __future__ import annotations

from core.issues import RowIssue

OBJECT = "object"
"""The noun for what is counted where one object is at fault and its image is used all the same."""

_CURES = {
    "bad_box": "Correct it, or remove the object.",
    "not_finite": "Correct the number, or remove the object.",
    "degenerate_box": "Draw it anew, or remove the object.",
    "inverted_box": "Correct the order of its corners, or remove the object.",
    "box_outside": "Check that the annotations belong to this image, or remove the object.",
    "not_normalized": "Divide x by the image's width and y by its height.",
    "unknown_class": "Add the class to the names, or correct the object.",
    "label_without_image": "Add it, or name the folder of images (data.images), or remove the annotations.",
    "missing_annotation": "Add the image and its annotations, or take it off the list.",
    "size_differs": "Scale the boxes to the image, or correct the size that is stated.",
    "no_usable_object": "Correct its objects, or remove the image.",
    "broken_annotation": "Export the annotations anew, or correct the file.",
    "path_outside": "Set data.root to a folder that all images lie in, or move the image.",
    "undecodable_name": "Rename the file.",
    "unknown_image": "Correct image_id, or add the image to `images`.",
}


def image_fault(code: str, message: str) -> RowIssue:
    """Return a problem that makes an image unusable."""
    return RowIssue(code, message, _CURES[code], what="image")


def object_fault(code: str, message: str) -> RowIssue:
    """Return a problem that makes an object unusable."""
    return RowIssue(code, message, _CURES[code], what=OBJECT)


def note(code: str, message: str, what: str = OBJECT) -> RowIssue:
    """Return a remark about an object or image that is used all the same."""
    return RowIssue(code, message, level="note", what=what)
