"""Reading images: formats, orientation, transparency, damaged files, and a digest of the pixels."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from core.errors import DataError
from core.images import reading
from core.images.reading import UnreadableImageError, encode_png, image_files, inspect, open_image

SCENE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
"""Four rows of six pixels, no two alike."""


def saved(image: Image.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def pixels(content: bytes | Path) -> np.ndarray:
    opened = open_image(content)
    assert opened.mode == "RGB"
    return np.asarray(opened)


def refusal(content: bytes | Path) -> UnreadableImageError:
    with pytest.raises(UnreadableImageError) as error:
        open_image(content)
    return error.value


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims any size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_colours_are_kept_as_they_are(form):
    options = {"lossless": True} if form == "WEBP" else {}
    assert (pixels(saved(Image.fromarray(SCENE), form, **options)) == SCENE).all()


def test_a_path_and_its_bytes_are_the_same_image(tmp_path):
    content = encode_png(SCENE)
    (tmp_path / "bild – 猫.png").write_bytes(content)
    assert inspect(tmp_path / "bild – 猫.png") == inspect(content)
    assert (pixels(tmp_path / "bild – 猫.png") == SCENE).all()


TURNED = {
    1: SCENE,
    2: SCENE[:, ::-1],
    3: SCENE[::-1, ::-1],
    4: SCENE[::-1],
    5: SCENE.transpose(1, 0, 2),
    6: np.rot90(SCENE, -1),
    7: SCENE[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(SCENE, 1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(SCENE), "PNG", exif=exif)
    assert (pixels(content) == TURNED[orientation]).all()
    seen = inspect(content)
    assert (seen.width, seen.height) == ((6, 4) if orientation < 5 else (4, 6))


def test_damaged_exif_is_passed_over():
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"):
        assert open_image(saved(Image.fromarray(SCENE), "JPEG", exif=exif)).size == (6, 4)


def test_grey_is_three_equal_channels():
    grey = SCENE[:, :, 0]
    assert (pixels(encode_png(grey)) == grey[:, :, None]).all()
    bits = (grey % 2 * 255).astype(np.uint8)
    assert (pixels(saved(Image.fromarray(bits).convert("1"), "PNG")) == bits[:, :, None]).all()


def test_what_is_transparent_is_laid_on_white():
    alpha = np.full((4, 6, 1), 255, dtype=np.uint8)
    alpha[0], alpha[1] = 0, 128
    shown = pixels(saved(Image.fromarray(np.concatenate([SCENE, alpha], axis=2)), "PNG"))
    assert (shown[0] == 255).all()
    assert (shown[2:] == SCENE[2:]).all()
    assert np.abs(shown[1].astype(int) - (SCENE[1] * (128 / 255) + 255 * (127 / 255))).max() <= 1


def test_grey_with_alpha():
    grey = np.array([[[10, 255], [200, 0]]], dtype=np.uint8)
    assert pixels(saved(Image.fromarray(grey), "PNG")).tolist() == [[[10, 10, 10], [255, 255, 255]]]


def test_a_palette_with_a_transparent_colour():
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    assert pixels(saved(image, "PNG")).tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    for form in ("PNG", "GIF"):
        shown = pixels(saved(image, form, transparency=1))
        assert shown.tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]


def test_colours_with_a_transparent_one():
    image = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], dtype=np.uint8))
    assert pixels(saved(image, "PNG", transparency=(9, 9, 9))).tolist() == [[[1, 2, 3], [255, 255, 255]]]


def test_sixteen_bits_become_eight():
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    for form in ("PNG", "TIFF"):
        assert pixels(saved(Image.fromarray(values), form))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_floats_are_taken_for_shares_where_they_fit():
    for values, wanted in (
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 257.0, 65535.0], [0, 1, 255]),
        ([np.nan, -3.0, 1.0], [0, 0, 255]),
    ):
        image = Image.fromarray(np.array([values], dtype=np.float32))
        assert pixels(saved(image, "TIFF"))[0, :, 2].tolist() == wanted


def test_cmyk():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red = pixels(saved(image, "JPEG", quality=95))
    assert np.abs(red.astype(int) - [255, 0, 0]).max() < 12


def test_the_first_frame_of_an_animation_is_read():
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    for form in ("GIF", "PNG", "WEBP", "TIFF"):
        content = saved(frames[0], form, save_all=True, append_images=frames[1:])
        assert np.abs(pixels(content).astype(int) - [255, 0, 0]).max() <= 3


def test_the_digest_is_of_what_is_seen():
    plain = encode_png(SCENE)
    again = saved(Image.fromarray(SCENE), "BMP")
    exif = Image.Exif()
    exif[0x010E] = "a description"
    assert inspect(plain).digest == inspect(again).digest
    assert inspect(plain).digest == inspect(saved(Image.fromarray(SCENE), "PNG", exif=exif)).digest
    other = SCENE.copy()
    other[3, 5, 2] ^= 1
    assert inspect(plain).digest != inspect(encode_png(other)).digest
    assert inspect(plain).digest != inspect(encode_png(SCENE.reshape(6, 4, 3))).digest


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_truncated_files_are_refused(form):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = saved(Image.fromarray(noise), form)
    error = refusal(content[: len(content) // 2])
    assert (error.code, error.cure) in {
        (code, "Replace it, or remove it.") for code in ("broken_image", "not_an_image")
    }
    assert form == "WEBP" or "damaged or cut off" in error.message


def test_what_is_no_image(tmp_path):
    (tmp_path / "notes.png").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    assert refusal(tmp_path / "notes.png").code == "not_an_image"
    assert refusal(tmp_path / "empty.png").code == "empty_file"
    assert refusal(b"").code == "empty_file"
    assert refusal(tmp_path).code == "missing_file"
    assert refusal(tmp_path / "none.png").code == "missing_file"
    assert refusal(tmp_path / "a\0b.png").code == "missing_file"
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert refusal(tmp_path / "loop.png").code == "missing_file"


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encode_png(SCENE))

    def denied(*_args, **_options):
        raise PermissionError(13, "Permission denied", "a.png")

    monkeypatch.setattr(Image, "open", denied)
    error = refusal(tmp_path / "a.png")
    assert (error.code, error.message) == ("unreadable_file", "the file cannot be read (Permission denied)")


@pytest.mark.parametrize("side", [50_000, 12_000])
def test_a_decompression_bomb_is_refused_by_its_header(side, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    error = refusal(png_header(side, side))
    assert error.code == "too_large"
    assert "larger than 100 megapixels" in error.message


def test_threads_silence_warnings_and_put_them_back():
    before = list(warnings.filters)
    huge = png_header(9_600, 9_600)  # worth a warning to Pillow, and cut off
    threads = [threading.Thread(target=lambda: [refusal(huge) for _ in range(6)]) for _ in range(4)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inside = list(warnings.filters)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert warnings.filters == inside
    assert not caught
    assert list(warnings.filters) == before
    assert reading._quiet_threads == []


def test_an_error_can_be_sent_to_another_process():
    import pickle

    error = pickle.loads(pickle.dumps(refusal(b"")))
    assert (error.code, error.cure) == ("empty_file", "Replace it, or remove it.")


def test_image_files_of_a_folder_a_glob_and_a_file(tmp_path):
    for name in ("b.PNG", "a/c.jpg", ".hidden.png", ".git/d.png", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    names = [str(each.relative_to(tmp_path)) for each in image_files(str(tmp_path))]
    assert names == ["a/c.jpg", "b.PNG"]
    assert [each.name for each in image_files(str(tmp_path / "*.PNG"))] == ["b.PNG"]
    assert [each.name for each in image_files(str(tmp_path / "notes.txt"))] == ["notes.txt"]
    (tmp_path / "none").mkdir()
    for word, message in (("none", "contains no image"), ("x*", "no file matches"), ("x", "no such file or folder")):
        with pytest.raises(DataError, match=message):
            image_files(str(tmp_path / word))


def test_a_library_that_patches_the_opener_does_not_change_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_more_formats(*arguments: object, **options: object) -> None:
        try:
            raise UnidentifiedImageError("cannot identify image file")
        except UnidentifiedImageError:
            raise ModuleNotFoundError("No module named 'pi_heif'")  # noqa: B904 - as such libraries do

    monkeypatch.setattr(Image, "open", open_more_formats)
    with pytest.raises(UnreadableImageError, match="the file is not an image"):
        open_image(b"text")
