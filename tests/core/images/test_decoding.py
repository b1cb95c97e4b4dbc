"""Decoding many images: in their order, with every unreadable one named; and the key of a cache of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import DataError
from core.images import cache_key, encode_png, in_chunks, open_image
from core.tasks import ImageExample


def shade(value: int) -> bytes:
    return encode_png(np.full((2, 2, 3), value, dtype=np.uint8))


def first_value(example: ImageExample) -> int:
    return int(np.asarray(open_image(example.image))[0, 0, 0])


def decoded(examples: list[ImageExample]) -> list[Any]:
    return [value for chunk in in_chunks(examples, first_value, -1) for value in chunk]


def test_values_come_in_the_order_of_the_examples() -> None:
    examples = [ImageExample(shade(number % 250), place=f"a:{number}") for number in range(600)]
    assert decoded(examples) == [number % 250 for number in range(600)]


def test_every_image_that_cannot_be_read_is_named_at_the_end() -> None:
    examples = [ImageExample(shade(5), place="good.png"), ImageExample(b"no image", place="bad.png")]
    chunks = in_chunks(examples, first_value, -1)
    assert next(chunks) == [5, -1]
    with pytest.raises(DataError) as caught:
        list(chunks)
    assert "bad.png" in caught.value.report()
    assert "good.png" not in caught.value.report()


def test_beyond_twenty_unreadable_images_the_rest_are_counted() -> None:
    with pytest.raises(DataError, match="5 more images cannot be read"):
        decoded([ImageExample(b"no image", place=f"{number}.png") for number in range(25)])


def test_the_key_of_a_cache_follows_the_images_and_how_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(shade(1))
    examples = [ImageExample(path, place="image.png")]
    key = cache_key(examples, "64 pixels")
    assert len(key) == 32
    assert key == cache_key(examples, "64 pixels")
    assert key != cache_key(examples, "32 pixels")
    path.write_bytes(shade(1) + b" ")
    assert key != cache_key(examples, "64 pixels")
