"""What happens to pictures on their way through the web; uint8 RGB (height, width, 3) in and out."""

import io

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def jpeg(image: Pixels, quality: int) -> Pixels:
    """Encode as JPEG of quality 1 to 100 with OpenCV, and decode."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)  # type: ignore[return-value]


def pillow(image: Pixels, kind: str, **settings: int) -> Pixels:
    """Encode with Pillow (kind JPEG or WEBP, settings as its `save` takes them), and decode."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **settings)
    return np.array(Image.open(buffer).convert("RGB"))


def blur(image: Pixels, sigma: float) -> Pixels:
    """Blur with a Gaussian of sigma pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma)  # type: ignore[return-value]


def sharpen(image: Pixels, sigma: float, amount: float) -> Pixels:
    """Add that much of what a Gaussian blur of sigma pixels takes away (an unsharp mask)."""
    return cv2.addWeighted(image, 1 + amount, blur(image, sigma), -amount, 0)  # type: ignore[return-value]


def noise(image: Pixels, sigma: float, rng: Generator) -> Pixels:
    """Add Gaussian noise of sigma grey levels, of 255, to each channel."""
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    return cv2.add(image, grain * np.float32(sigma), dtype=cv2.CV_8U)  # type: ignore[return-value]


def rescale(
    image: Pixels, share: float, shrink: int = cv2.INTER_AREA, enlarge: int = cv2.INTER_LINEAR
) -> Pixels:
    """Reduce to a share of its width and height and enlarge again, each with an OpenCV interpolation."""
    height, width = image.shape[:2]
    size = max(1, round(width * share)), max(1, round(height * share))
    return cv2.resize(  # type: ignore[return-value]
        cv2.resize(image, size, interpolation=shrink), (width, height), interpolation=enlarge
    )
