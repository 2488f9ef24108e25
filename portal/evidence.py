"""What a file tells beside the model's verdict: facts, credentials, marks, and limits of the model.

Examined once for each file and kept with it, as codes and values; the templates put them into words, each
with what it proves and what it does not.
"""

import io
import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from PIL import Image as Pictures

from portal.credentials import credentials
from portal.extensions import db
from portal.images import FORMATS
from portal.marks import marks, says_screenshot
from portal.metadata import Metadata, read
from portal.models import Image
from portal.storage import storage

logger = logging.getLogger(__name__)

# Raised when this module learns to see more, so that files are examined again when next shown.
VERSION = 2
# The model takes 224 x 224 pixels: of a much smaller image, most of what it sees is interpolation.
TINY_PIXELS = 128
STRONG_COMPRESSION = 50
# The luminance table of JPEG's annex K (ITU-T T.81, table K.1), by whose scaling libjpeg defines the quality.
_STANDARD_TABLE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
# The longer and the shorter side of common screens of computers, phones and tablets.
_SCREENS = {
    *((1280, 720), (1280, 800), (1366, 768), (1440, 900), (1536, 864), (1600, 900), (1680, 1050)),
    *((1920, 1080), (1920, 1200), (2560, 1440), (2560, 1600), (2880, 1800), (3024, 1964), (3440, 1440)),
    *((3456, 2234), (3840, 2160), (1334, 750), (1792, 828), (2340, 1080), (2400, 1080), (2436, 1125)),
    *((2532, 1170), (2556, 1179), (2622, 1206), (2688, 1242), (2778, 1284), (2796, 1290), (2868, 1320)),
    *((3088, 1440), (3120, 1440), (3200, 1440), (2048, 1536), (2160, 1620), (2224, 1668), (2360, 1640)),
    *((2388, 1668), (2732, 2048)),
}


def examine(data: bytes) -> dict[str, Any]:
    """Examine an image file that images.check has accepted; JSON in and out, never an error.

    Keys: version, metadata (camera, lens, software, taken_at, has_location), credentials (see that module) or
    None, marks (see that module), jpeg_quality or None, warnings ("tiny", "compressed", "screenshot"),
    unreadable (names of parts that could not be read).
    """
    unreadable: list[str] = []
    image = Pictures.open(io.BytesIO(data), formats=FORMATS)
    size, lossless = image.size, image.format in ("PNG", "BMP", "TIFF")
    quality = jpeg_quality(image)
    mime = Pictures.MIME.get(str(image.format), "application/octet-stream")
    metadata: Metadata = _part("metadata", lambda: read(image), unreadable) or Metadata()
    screenshot = says_screenshot(metadata) or (
        lossless and not metadata.camera and (max(size), min(size)) in _SCREENS
    )
    warnings = {
        "tiny": min(size) < TINY_PIXELS,
        "compressed": quality is not None and quality < STRONG_COMPRESSION,
        "screenshot": screenshot,
    }
    return {
        "version": VERSION,
        "metadata": {
            "camera": metadata.camera,
            "lens": metadata.lens,
            "software": metadata.software,
            "taken_at": metadata.taken_at,
            "has_location": metadata.has_location,
        },
        "credentials": _part("credentials", lambda: credentials(data, mime), unreadable),
        "marks": marks(metadata),
        "jpeg_quality": quality,
        "warnings": [name for name, applies in warnings.items() if applies],
        "unreadable": unreadable,
    }


def is_current(found: dict[str, Any] | None) -> bool:
    """Whether evidence is there, and was found by this version of the module."""
    return found is not None and found["version"] >= VERSION


def of(image: Image) -> dict[str, Any] | None:
    """Return the evidence of a stored image, examined now if it was not, or long ago, and kept.

    None if it never was and its bytes are gone.
    """
    if is_current(image.evidence):
        return image.evidence
    try:
        data = storage().read(image.sha256)
    except FileNotFoundError:
        return image.evidence
    image.evidence = examine(data)
    db.session.commit()
    return image.evidence


def jpeg_quality(image: Pictures.Image) -> int | None:
    """Estimate libjpeg's quality setting, 1 to 100, from the luminance table; None for other formats.

    Exact for libjpeg's own tables; an estimate for those of cameras and editors.
    """
    tables = getattr(image, "quantization", None)
    if not tables:
        return None
    found = sum(tables[min(tables)])
    return min(range(1, 101), key=lambda quality: abs(_table_sum(quality) - found))


@cache
def _table_sum(quality: int) -> int:
    # As jpeg_quality_scaling and jpeg_add_quant_table in libjpeg's jcparam.c.
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(max(1, min(255, (value * scale + 50) // 100)) for value in _STANDARD_TABLE)


def _part(name: str, make: Callable[[], Any], unreadable: list[str]) -> Any:
    # Metadata is broken in more ways than Pillow names; none of them may cost somebody an upload.
    try:
        return make()
    except Exception:
        logger.exception("The %s of an image cannot be read", name)
        unreadable.append(name)
        return None
