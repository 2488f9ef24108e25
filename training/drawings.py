"""Pictures without a face, made from a seed: what a detector of faces will be sent as well."""

from collections.abc import Callable

import cv2
import numpy as np
import sklearn.datasets
from numpy.random import Generator

from training.degrade import Pixels, jpeg

EACH = 8
SIZE = 256
WORDS = ("photograph", "of", "nobody", "page", "seven", "The", "city", "council", "met", "again", "Monday")


def drawings() -> dict[str, list[Pixels]]:
    """Return EACH pictures of every kind, uint8 RGB (SIZE, SIZE, 3)."""
    made = {
        name: [draw(np.random.default_rng(seed)) for seed in range(EACH)] for name, draw in _KINDS.items()
    }
    crops = _photographs()
    return made | {
        "photographs without people": crops,
        "the same, JPEG quality 3": [jpeg(each, 3) for each in crops],
    }


def _blank(rng: Generator) -> Pixels:
    return np.full((SIZE, SIZE, 3), rng.integers(0, 256, 3), np.uint8)


def _shapes(rng: Generator) -> Pixels:
    image = _blank(rng)
    for _ in range(12):
        colour = [int(part) for part in rng.integers(0, 256, 3)]
        first, second = ([int(part) for part in point] for point in rng.integers(0, SIZE, (2, 2)))
        thickness = int(rng.choice((-1, 3)))
        if rng.random() < 0.5:
            cv2.circle(image, first, int(rng.integers(5, 60)), colour, thickness)
        else:
            cv2.rectangle(image, first, second, colour, thickness)
    return image


def _text(rng: Generator) -> Pixels:
    image = np.full((SIZE, SIZE, 3), 250, np.uint8)
    for line in range(9):
        words = " ".join(rng.choice(WORDS, 4))
        at = (8, 26 + 27 * line)
        cv2.putText(image, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    return image


def _noise(rng: Generator) -> Pixels:
    cells = int(rng.choice((4, 16, 64, SIZE)))
    grain = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return cv2.resize(grain, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def _photographs() -> list[Pixels]:
    corners = [(bottom, right) for bottom in (0, 1) for right in (0, 1)]
    photographs = sklearn.datasets.load_sample_images().images
    return [_corner(photograph, *corner) for photograph in photographs for corner in corners]


def _corner(image: Pixels, bottom: int, right: int) -> Pixels:
    top, left = bottom * (image.shape[0] - SIZE), right * (image.shape[1] - SIZE)
    return np.ascontiguousarray(image[top : top + SIZE, left : left + SIZE])


_KINDS: dict[str, Callable[[Generator], Pixels]] = {
    "blank": _blank,
    "shapes": _shapes,
    "text": _text,
    "noise": _noise,
}
