"""What the portal does with pixels: checks uploads, makes previews, thumbnails and heatmap pictures."""

import io
from dataclasses import dataclass
from itertools import pairwise

from flask_babel import gettext
from PIL import Image, ImageOps, UnidentifiedImageError

from portal.formats import megapixels

# `check` compares the pixels with the portal's own limit; Pillow's would stand in the way of a higher one.
Image.MAX_IMAGE_PIXELS = None
# Formats that the model's decoder reads as well; the first frame counts.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000")
PREVIEW_PIXELS = 1600
THUMBNAIL_PIXELS = 400
HEATMAP_PIXELS = 448
# Red, green, blue and opacity at each strength of evidence: the hue darkens on the way, for those who
# cannot tell yellow from red.
_HEAT = (
    (0.0, (255, 214, 102, 0)),
    (0.25, (255, 214, 102, 70)),
    (0.5, (255, 143, 31, 160)),
    (0.75, (239, 43, 45, 205)),
    (1.0, (196, 0, 63, 235)),
)


class Unusable(ValueError):
    """An upload that cannot be judged; the message says why, for the person who sent it."""


class TooManyPixels(Unusable):
    """An image with more pixels than the portal accepts."""


@dataclass(frozen=True)
class Facts:
    """The format of an image file and its size in pixels, as stored."""

    format: str
    width: int
    height: int


def check(data: bytes, max_pixels: int) -> Facts:
    """Decode an image file wholly, to be sure that it is one; raises Unusable.

    Its pixels are counted by its header, before any memory is taken for them.
    """
    if not data:
        raise Unusable(gettext("This file is empty. Choose an image file."))
    try:
        image = _open(data)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise Unusable(
            gettext(
                "This is not an image that can be read. Choose a JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP "
                "file."
            )
        ) from error
    if image.width * image.height > max_pixels:
        raise TooManyPixels(
            gettext(
                "This image has too many pixels: the limit is %(limit)s. Upload a smaller copy.",
                limit=megapixels(max_pixels),
            )
        )
    facts = Facts(str(image.format), image.width, image.height)
    try:
        # `verify` finds wrong checksums, `load` finds missing data; the first leaves the image unusable.
        image.verify()
        _open(data).load()
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:
        raise Unusable(
            gettext(
                "This image is damaged: it starts like one, but cannot be decoded to the end. "
                "Save or download it again and upload the new copy."
            )
        ) from error
    return facts


def preview(data: bytes) -> bytes:
    """Make the picture that is shown on the verdict's page: WebP, upright, without metadata."""
    return _reduced(data, PREVIEW_PIXELS)


def thumbnail(data: bytes) -> bytes:
    """Make the picture for lists: WebP, upright, without metadata."""
    return _reduced(data, THUMBNAIL_PIXELS)


def heatmap(grid: list[list[float]]) -> bytes:
    """Draw a grid in [0, 1] as a PNG whose opacity grows with the value, to be laid over the image."""
    values = bytes(round(value * 255) for row in grid for value in row)
    small = Image.frombytes("L", (len(grid[0]), len(grid)), values)
    smooth = small.resize((HEATMAP_PIXELS, HEATMAP_PIXELS), Image.Resampling.BICUBIC)
    colours = [_colour(value / 255) for value in range(256)]
    # The values are their own palette: a quarter of the bytes that colours take, and far sooner packed.
    picture = Image.frombytes("P", smooth.size, smooth.tobytes())
    picture.putpalette([part for colour in colours for part in colour[:3]])
    out = io.BytesIO()
    picture.save(out, "PNG", transparency=bytes(colour[3] for colour in colours))
    return out.getvalue()


def size(picture: bytes) -> tuple[int, int]:
    """Return width and height of one of these pictures."""
    return Image.open(io.BytesIO(picture)).size


def printed(picture: bytes, grid: list[list[float]] | None = None) -> bytes:
    """Make a JPEG of a picture for paper, with the heatmap of a grid over it if one is given."""
    base = Image.open(io.BytesIO(picture)).convert("RGBA")
    if grid is not None:
        heat = Image.open(io.BytesIO(heatmap(grid))).convert("RGBA")
        base.alpha_composite(heat.resize(base.size, Image.Resampling.BICUBIC))
    out = io.BytesIO()
    base.convert("RGB").save(out, "JPEG", quality=88)
    return out.getvalue()


def _colour(value: float) -> tuple[int, ...]:
    for (low, dark), (high, bright) in pairwise(_HEAT):
        if value <= high:
            share = (value - low) / (high - low)
            return tuple(round(a + (b - a) * share) for a, b in zip(dark, bright, strict=True))
    raise ValueError(f"{value} is not in [0, 1]")


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _reduced(data: bytes, side: int) -> bytes:
    image = _open(data)
    image.draft("RGB", (side, side))
    upright = ImageOps.exif_transpose(image)
    has_alpha = upright.has_transparency_data
    upright = upright.convert("RGBA" if has_alpha else "RGB")
    upright.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    upright.save(out, "WEBP", quality=82)
    return out.getvalue()
