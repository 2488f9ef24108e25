"""From file bytes to the model's input: every format a user may send, and every way it may be broken."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from handler.preprocessing import BadImage, decode, normalise, resize
from tests.support import CHINA, ROOT

PHOTOGRAPH = Image.open(CHINA).convert("RGB")
LOSSLESS = {"PNG": {}, "BMP": {}, "PPM": {}, "TIFF": {}, "JPEG2000": {}, "WEBP": {"lossless": True}}
LOSSY = {"JPEG": {}, "WEBP": {}, "AVIF": {}, "GIF": {}}


def file(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def difference(a: NDArray[np.uint8], b: object) -> float:
    return float(np.abs(a.astype(float) - np.asarray(b, dtype=float)).mean())


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_file_gives_its_exact_rgb_pixels(kind: str) -> None:
    pixels = decode(file(PHOTOGRAPH, kind, **LOSSLESS[kind]))
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.asarray(PHOTOGRAPH))


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_file_gives_nearly_its_pixels(kind: str) -> None:
    assert difference(decode(file(PHOTOGRAPH, kind, **LOSSY[kind])), PHOTOGRAPH) < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file(PHOTOGRAPH, "JPEG", quality=95, exif=exif)
    expected = {
        1: PHOTOGRAPH,
        2: PHOTOGRAPH.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: PHOTOGRAPH.transpose(Image.Transpose.ROTATE_180),
        4: PHOTOGRAPH.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: PHOTOGRAPH.transpose(Image.Transpose.TRANSPOSE),
        6: PHOTOGRAPH.transpose(Image.Transpose.ROTATE_270),
        7: PHOTOGRAPH.transpose(Image.Transpose.TRANSVERSE),
        8: PHOTOGRAPH.transpose(Image.Transpose.ROTATE_90),
    }[orientation]
    pixels = decode(data)
    assert pixels.shape[:2] == (expected.height, expected.width)
    assert difference(pixels, expected) < 4


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + bytes(40_000)}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    ("size", "read"),
    [
        ((895, 1200), (895, 1200)),
        ((896, 1201), (448, 601)),
        ((1791, 1900), (896, 950)),
        ((2400, 1792), (600, 448)),
        ((4000, 3584), (500, 448)),
    ],
)
def test_large_jpeg_is_read_reduced_and_looks_the_same(
    size: tuple[int, int], read: tuple[int, int], mode: str, options: dict[str, object]
) -> None:
    image = PHOTOGRAPH.resize(size).convert(mode)
    pixels = decode(file(image, "JPEG", quality=95, **options))
    assert pixels.shape == (read[1], read[0], 3)
    assert difference(resize(pixels), resize(np.asarray(image.convert("RGB")))) < 2


@pytest.mark.parametrize("orientation", [1, 6])
def test_large_jpeg_is_turned_as_well(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    large = PHOTOGRAPH.resize((1920, 1280))
    turned = large.transpose(Image.Transpose.ROTATE_270) if orientation == 6 else large
    pixels = decode(file(large, "JPEG", quality=95, exif=exif))
    assert pixels.shape[:2] == (turned.height // 2, turned.width // 2)
    assert difference(resize(pixels), resize(np.asarray(turned))) < 2


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_truncated_large_jpeg_is_refused(part: float) -> None:
    data = file(PHOTOGRAPH.resize((1920, 1280)), "JPEG")
    with pytest.raises(BadImage, match="damaged"):
        decode(data[: int(part * len(data))])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_grey_palette_and_transparent_images_become_rgb(mode: str) -> None:
    image = PHOTOGRAPH.convert(mode)
    assert difference(decode(file(image, "PNG")), image.convert("RGB")) < 1


def test_transparency_is_dropped() -> None:
    image = PHOTOGRAPH.convert("RGBA")
    image.putalpha(0)
    assert np.array_equal(decode(file(image, "PNG")), np.asarray(PHOTOGRAPH))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_reduced_to_eight(kind: str) -> None:
    grey = np.asarray(PHOTOGRAPH.convert("L"))
    image = Image.fromarray(grey.astype(np.uint16) * 257)
    assert difference(decode(file(image, kind)), np.stack([grey] * 3, axis=2)) < 1


def test_printers_colours_are_converted() -> None:
    assert difference(decode(file(PHOTOGRAPH.convert("CMYK"), "JPEG", quality=95)), PHOTOGRAPH) < 6


def test_first_frame_of_an_animation_is_judged() -> None:
    frames = [PHOTOGRAPH, Image.new("RGB", PHOTOGRAPH.size)]
    data = file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert difference(decode(data), PHOTOGRAPH) < 6


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_smallest_and_narrowest_images_are_read(size: tuple[int, int]) -> None:
    pixels = decode(file(Image.new("RGB", size, (10, 20, 30)), "PNG"))
    assert pixels.shape == (size[1], size[0], 3)
    assert np.array_equal(np.unique(resize(pixels).reshape(-1, 3), axis=0), [[10, 20, 30]])


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", sorted({*LOSSLESS, *LOSSY}))
def test_truncated_file_is_refused(kind: str, part: float) -> None:
    data = file(PHOTOGRAPH, kind)
    with pytest.raises(BadImage, match="damaged"):
        decode(data[: int(part * len(data))])


@pytest.mark.parametrize("data", [b"", bytearray(), memoryview(b"")])
def test_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(BadImage, match="empty"):
        decode(data)


@pytest.mark.parametrize("data", [b"\0", b"text", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", bytes(1000)])
def test_bytes_that_are_no_image_are_refused(data: bytes) -> None:
    with pytest.raises(BadImage, match="not a readable image"):
        decode(data)


def test_what_follows_the_image_is_ignored() -> None:
    data = CHINA.read_bytes()
    assert np.array_equal(decode(data + b"maker's notes"), decode(data))


def test_memory_and_bytes_are_read_alike() -> None:
    data = CHINA.read_bytes()
    assert np.array_equal(decode(bytearray(data)), decode(data))
    assert np.array_equal(decode(memoryview(data)), decode(data))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "JPEG", "WEBP"])
def test_too_many_pixels_are_refused_before_they_are_decoded(kind: str) -> None:
    # OpenCV takes the limit when it is loaded, which in this process another module may have done: so this
    # runs as a worker does, from a clean start, with the handler as the first import.
    code = """
import resource, sys
from handler.deepfake_handler import _read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    _read({"body": sys.stdin.buffer.read()})
except ValueError as error:
    print(error)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < 100_000, f"{grown} KiB were allocated"
"""
    bomb = file(Image.new("1", (10_000, 6_000)), kind)
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=bomb, capture_output=True, check=True)
    assert run.stdout.decode() == "The image has too many pixels: the limit is 50 megapixels.\n"


def test_reduction_averages_instead_of_picking_pixels() -> None:
    chequered = np.indices((1792, 1792)).sum(axis=0) % 2 * 255
    small = resize(np.repeat(chequered[:, :, None], 3, axis=2).astype(np.uint8))
    assert small.shape == (224, 224, 3)
    assert small.min() >= 127
    assert small.max() <= 128


def test_normalise_gives_what_torchvision_gives() -> None:
    from torchvision.transforms import v2

    images = torch.from_numpy(np.stack([resize(np.asarray(PHOTOGRAPH)), np.zeros((224, 224, 3), np.uint8)]))
    reference = v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    expected = reference(images.permute(0, 3, 1, 2))
    result = normalise(images)
    assert result.shape == (2, 3, 224, 224)
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0, check_stride=False)
