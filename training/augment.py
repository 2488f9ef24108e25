"""Random changes to training images, between resize and normalise, the same for both classes."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from training import degrade
from training.colour import recolour
from training.degrade import Pixels
from training.hyperparameters import Augmentation

ROTATION = 10.0  # degrees to either side
INTERPOLATIONS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def augment(image: Pixels, kind: Augmentation, rng: Generator) -> Pixels:
    """Return a changed copy of uint8 RGB (height, width, 3), of the same size.

    `recipe` mirrors and rotates. `robust` also crops, and loses detail the ways pictures do on their way
    through the web, so that the detector cannot lean on sharpness or on one encoder's traces. `strong` does
    more of it, and changes colours and covers parts; `moderate` does the same more rarely, and leaves half of
    the images their detail. What is drawn does not depend on the picture: two pictures with equal
    generators are changed alike.
    """
    for probability, change in _CHANGES[kind]:
        if rng.random() < probability:
            image = change(image, rng)
    return image


def random_square(image: Pixels, side: int, rng: Generator) -> Pixels:
    """Return a random part (side, side, 3) of an image (height, width, 3) that is at least as large."""
    y, x = (int(rng.integers(length - side + 1)) for length in image.shape[:2])
    return np.ascontiguousarray(image[y : y + side, x : x + side])


def _mirror(image: Pixels, _: Generator) -> Pixels:
    return cv2.flip(image, 1)  # type: ignore[return-value]


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


def _crop_unevenly(image: Pixels, rng: Generator) -> Pixels:
    height, width = image.shape[:2]
    share = rng.uniform(0.65, 1.0)
    h, w = (round(side * min(1.0, share * rng.uniform(0.92, 1.08))) for side in (height, width))
    y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    enlarge = int(rng.choice(INTERPOLATIONS[1:]))
    return cv2.resize(image[y : y + h, x : x + w], (width, height), interpolation=enlarge)  # type: ignore[return-value]


def _shrink(image: Pixels, rng: Generator) -> Pixels:
    return degrade.rescale(image, rng.uniform(0.4, 0.9))


def _rescale(image: Pixels, rng: Generator) -> Pixels:
    shrink = int(rng.choice((*INTERPOLATIONS, cv2.INTER_AREA)))
    return degrade.rescale(image, rng.uniform(0.3, 0.95), shrink, int(rng.choice(INTERPOLATIONS)))


def _blur(image: Pixels, rng: Generator) -> Pixels:
    return degrade.blur(image, rng.uniform(0.4, 1.5))


def _blur_more(image: Pixels, rng: Generator) -> Pixels:
    return degrade.blur(image, rng.uniform(0.3, 2.5))


def _sharpen(image: Pixels, rng: Generator) -> Pixels:
    return degrade.sharpen(image, rng.uniform(0.5, 1.5), rng.uniform(0.3, 1.5))


def _noise(image: Pixels, rng: Generator) -> Pixels:
    return degrade.noise(image, rng.uniform(1, 10), rng)


def _jpeg(image: Pixels, rng: Generator) -> Pixels:
    quality = int(rng.integers(40, 96))
    if rng.random() < 0.5:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[return-value]
    return degrade.pillow(image, "JPEG", quality=quality)


def _compress(image: Pixels, rng: Generator) -> Pixels:
    kind, quality, subsampling = rng.random(), int(rng.integers(30, 101)), int(rng.integers(3))
    if kind < 0.4:
        return degrade.jpeg(image, quality)
    if kind < 0.85:
        return degrade.pillow(image, "JPEG", quality=quality, subsampling=subsampling)
    return degrade.pillow(image, "WEBP", quality=quality, method=0)


def _cover(image: Pixels, rng: Generator) -> Pixels:
    height, width = image.shape[:2]
    h, w = round(height * rng.uniform(0.1, 0.35)), round(width * rng.uniform(0.1, 0.35))
    y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    covered = image.copy()
    covered[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return covered


_RECIPE: tuple[tuple[float, Callable[[Pixels, Generator], Pixels]], ...] = ((0.5, _mirror), (1.0, _rotate))
_CHANGES = {
    "none": (),
    "recipe": _RECIPE,
    "robust": (*_RECIPE, (0.5, _crop), (0.3, _shrink), (0.2, _blur), (0.6, _jpeg)),
    "moderate": (
        (0.5, _mirror),
        (0.1, _rotate),
        (0.4, _crop_unevenly),
        (0.3, recolour),
        (0.1, _rescale),
        (0.08, _blur_more),
        (0.15, _sharpen),
        (0.1, _noise),
        (0.35, _compress),
        (0.2, _cover),
    ),
    "strong": (
        (0.5, _mirror),
        (0.3, _rotate),
        (0.6, _crop_unevenly),
        (0.5, recolour),
        (0.35, _rescale),
        (0.2, _blur_more),
        (0.2, _sharpen),
        (0.25, _noise),
        (0.6, _compress),
        (0.1, _compress),
        (0.25, _cover),
    ),
}
