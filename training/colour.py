"""Random changes of light and colour, and none of shape or detail."""

import cv2
import numpy as np
from numpy.random import Generator

from training.degrade import Pixels

GREY = 0.1  # probability that colour is taken away


def recolour(image: Pixels, rng: Generator, strength: float = 1.0) -> Pixels:
    """Change gamma, contrast, brightness, white balance and saturation of uint8 RGB (height, width, 3).

    At strength 1 gamma lies within 0.7 and 1.4, contrast and saturation change by up to 30 % and 50 %,
    brightness and each channel by up to 25 and 12 grey levels.
    """
    level = np.linspace(0, 1, 256)
    gamma = np.exp(rng.uniform(-0.35, 0.35) * strength)
    contrast = 1 + rng.uniform(-0.3, 0.3) * strength
    shift = rng.uniform(-25, 25) * strength + rng.uniform(-12, 12, 3) * strength
    curve = (level[:, None] ** gamma - 0.5) * contrast * 255 + 127.5 + shift
    changed = cv2.LUT(image, np.clip(curve, 0, 255).astype(np.uint8)[None])
    saturation = 0.0 if rng.random() < GREY * strength else 1 + rng.uniform(-0.5, 0.5) * strength
    grey = cv2.cvtColor(cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(changed, saturation, grey, 1 - saturation, 0)  # type: ignore[return-value]
