"""Synthetic photographs: smooth spots under grain, which compress about as faces do."""

import cv2
import numpy as np

# Width and height by the name of the size.
SIZES = {"256": (256, 256), "1024": (1024, 1024), "12 MP": (4000, 3000)}
QUALITY = 90


def photograph(name: str) -> bytes:
    """Return the JPEG of that size; the same bytes every time."""
    width, height = SIZES[name]
    rng = np.random.default_rng(0)
    spots = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    image = cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    image += rng.normal(0, 4, (height, width, 1)).astype(np.int16)
    parameters = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    written, data = cv2.imencode(".jpg", image.clip(0, 255).astype(np.uint8), parameters)
    assert written  # noqa: S101  # an encoder without this format cannot be worked around
    return data.tobytes()
