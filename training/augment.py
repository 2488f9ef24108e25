"""Random changes to training images, between resize and normalise, the same for both classes."""

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from training.hyperparameters import Augmentation

Pixels = NDArray[np.uint8]

ROTATION = 10.0  # degrees to either side


def augment(image: Pixels, kind: Augmentation, rng: Generator) -> Pixels:
    """Return a changed copy of uint8 RGB (height, width, 3), of the same size.

    `recipe` mirrors and rotates. `robust` also crops, and loses detail the ways pictures do on their way
    through the web, so that the detector cannot lean on sharpness or on one encoder's traces.
    """
    for probability, change in _CHANGES[kind]:
        if rng.random() < probability:
            image = change(image, rng)
    return image


def _mirror(image: Pixels, _: Generator) -> Pixels:
    return np.ascontiguousarray(image[:, ::-1])


def _rotate(image: Pixels, rng: Generator) -> Pixels:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-ROTATION, ROTATION), 1.0)
    # Mirrored borders: black corners would tell the network which images were rotated.
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)  # type: ignore[return-value]


def _crop(image: Pixels, rng: Generator) -> Pixels:
    height, width = image.shape[:2]
    share = rng.uniform(0.75, 1.0)
    h, w = round(height * share), round(width * share)
    y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    return cv2.resize(image[y : y + h, x : x + w], (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _shrink(image: Pixels, rng: Generator) -> Pixels:
    height, width = image.shape[:2]
    share = rng.uniform(0.4, 0.9)
    small = cv2.resize(image, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _blur(image: Pixels, rng: Generator) -> Pixels:
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.5))  # type: ignore[return-value]


def _jpeg(image: Pixels, rng: Generator) -> Pixels:
    quality = int(rng.integers(40, 96))
    if rng.random() < 0.5:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[return-value]
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


_RECIPE: tuple[tuple[float, Callable[[Pixels, Generator], Pixels]], ...] = ((0.5, _mirror), (1.0, _rotate))
_CHANGES = {
    "none": (),
    "recipe": _RECIPE,
    "robust": (*_RECIPE, (0.5, _crop), (0.3, _shrink), (0.2, _blur), (0.6, _jpeg)),
}
