"""Smooth random fields over an image: where a face is changed, and how far pixels are moved."""

from functools import lru_cache
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Field = NDArray[np.float32]
Image = TypeVar("Image", bound=NDArray[Any])


def mask(height: int, width: int, rng: Generator) -> Field:
    """Return a soft, deformed blob over the central face, (height, width, 1) in [0, 1].

    Crops of faces have the face in the middle, so no landmarks are needed: an ellipse there or, one time in
    three, on a part of it, with a jittered outline, displaced elastically and blurred.
    """
    part = rng.random() < 1 / 3
    middle = rng.normal((0.5, 0.52), 0.09 if part else 0.03)
    axes = rng.uniform((0.1, 0.07), (0.2, 0.16)) if part else rng.uniform((0.2, 0.24), (0.34, 0.4))
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(8, 20))))
    outline = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.85, 1.1, (len(angles), 1))
    points = (middle + outline * axes) * (width, height)
    blob = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(blob, cv2.convexHull(points.astype(np.int32)), 1.0)
    blob = move(blob, displacement(height, width, rng, cells=6, pixels=0.03 * width))
    soft: Field = np.clip(cv2.GaussianBlur(blob, (0, 0), rng.uniform(0.008, 0.05) * width), 0, 1)
    return soft[:, :, None]


def displacement(height: int, width: int, rng: Generator, cells: int, pixels: float) -> Field:
    """Return smooth random shifts (height, width, 2): normal, of a standard deviation of `pixels`."""
    coarse = rng.normal(0, pixels, (cells, cells, 2)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def bulges(height: int, width: int, rng: Generator) -> Field:
    """Return the shifts (height, width, 2) of one to three places in the face that grow or shrink."""
    x, y = _positions(height, width)
    shifts = np.zeros((height, width, 2), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        middle = (rng.normal((0.5, 0.52), 0.1) * (width, height)).astype(np.float32)
        radius = np.float32(rng.uniform(0.07, 0.16) * width)
        strength = np.float32(rng.choice((-1, 1)) * rng.uniform(0.12, 0.35))
        across, down = (x - middle[0]) / radius, (y - middle[1]) / radius
        falloff = np.exp(-(across**2 + down**2) / 2) * radius * strength
        shifts += np.stack([across * falloff, down * falloff], 2)
    return shifts


def move(image: Image, shifts: Field) -> Image:
    """Take each pixel of an image or a field from where its shift (height, width, 2), x and y, points."""
    x, y = _positions(*image.shape[:2])
    return cv2.remap(  # type: ignore[return-value]
        image, x + shifts[:, :, 0], y + shifts[:, :, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


@lru_cache(maxsize=4)
def _positions(height: int, width: int) -> tuple[Field, Field]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x, y
