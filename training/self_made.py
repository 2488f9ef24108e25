"""Fakes made from real training images, so that a detector meets manipulations that no data set names.

Each is paired in its batch with the image it was made from, and both are augmented alike: what sets them
apart is the manipulation alone.
"""

import cv2
import numpy as np
import pandas as pd
from numpy.random import Generator

from training import degrade
from training.colour import recolour
from training.degrade import Pixels
from training.fields import Field, bulges, displacement, mask, move
from training.labels import FAKE, REAL

SOURCE = "self-made"
# A fake that hardly differs would teach that real images are fakes: mean grey levels, of 255.
LEAST_CHANGE, TRIES = 0.3, 4
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # of blending, as in the paper that `_blend` names


def add_fakes(frame: pd.DataFrame) -> pd.DataFrame:
    """Append a fake for each real row; the column `origin` names the row that a row is made from."""
    rows = frame.reset_index(drop=True)
    rows["origin"] = rows.index
    fakes = rows[rows["label"] == REAL].assign(label=FAKE, source=SOURCE)
    return pd.concat([rows, fakes], ignore_index=True)


def make_fake(image: Pixels, rng: Generator) -> Pixels:
    """Return a manipulated copy of uint8 RGB (height, width, 3), a face in its middle."""
    for _ in range(TRIES):
        change = rng.choice(3, p=(0.6, 0.2, 0.2))
        fake = (_blend, _retouch, _synthesise)[change](image, rng)
        if cv2.norm(image, fake, cv2.NORM_L1) >= LEAST_CHANGE * image.size:
            break
    return fake


def _blend(image: Pixels, rng: Generator) -> Pixels:
    # Shiohara and Yamasaki, "Detecting deepfakes with self-blended images", CVPR 2022, section 3, with a blob
    # in the place of the landmarks' hull.
    height, width = image.shape[:2]
    blob = mask(height, width, rng) * np.float32(rng.choice(RATIOS))
    source, target = image, _restyle(image, rng)
    if rng.random() < 0.5:
        source, target = target, source
    return _mix(_misplace(source, rng), target, blob)


def _restyle(image: Pixels, rng: Generator) -> Pixels:
    changed = recolour(image, rng, strength=0.5)
    if rng.random() < 0.5:
        soft = degrade.blur(changed, 1.5)
        return cv2.addWeighted(changed, 1 + (gain := rng.uniform(0.3, 1.0)), soft, -gain, 0)  # type: ignore[return-value]
    return degrade.rescale(changed, 1 / rng.uniform(1.5, 4), cv2.INTER_AREA, cv2.INTER_CUBIC)


def _misplace(image: Pixels, rng: Generator) -> Pixels:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-2, 2), rng.uniform(0.95, 1.05))
    matrix += np.array([[0, 0, rng.uniform(-0.03, 0.03) * side] for side in (width, height)])
    elastic = displacement(height, width, rng, cells=8, pixels=0.006 * width)
    return cv2.warpAffine(  # type: ignore[return-value]
        move(image, elastic), matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101
    )


def _retouch(image: Pixels, rng: Generator) -> Pixels:
    height, width = image.shape[:2]
    changed = image
    if rng.random() < 0.7:
        changed = move(changed, bulges(height, width, rng))
    else:
        smooth = cv2.medianBlur(degrade.blur(image, 1.0), 7)
        changed = _mix(smooth, image, mask(height, width, rng) * np.float32(rng.uniform(0.6, 1)))  # type: ignore[arg-type]
    return changed


def _synthesise(image: Pixels, rng: Generator) -> Pixels:
    # What transposed convolutions leave: zeros between the pixels of a smaller picture, filled by a kernel
    # whose phases differ in gain (Odena et al., "Deconvolution and checkerboard artifacts", Distill, 2016).
    height, width = image.shape[:2]
    step = int(rng.choice((2, 2, 3, 4)))
    small = cv2.resize(image, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    small = cv2.copyMakeBorder(small, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    stuffed = np.zeros((small.shape[0] * step, small.shape[1] * step, 3), np.float32)
    stuffed[::step, ::step] = small
    slope = 1 - np.abs(np.arange(1 - step, step)) / step
    uneven = rng.normal(1, rng.uniform(0.04, 0.1), (2 * step - 1, 2 * step - 1))
    start = (step + 1) // 2  # the smaller picture's pixels stand in the middle of what they cover
    filled = cv2.filter2D(stuffed, -1, np.outer(slope, slope) * uneven)
    filled = filled[start : start + height, start : start + width]
    detail = image - cv2.GaussianBlur(image.astype(np.float32), (0, 0), step / 2)
    made = np.clip(filled + detail * rng.uniform(0, 0.9), 0, 255).astype(np.uint8)
    return made if rng.random() < 0.5 else _mix(made, image, mask(height, width, rng))


def _mix(over: Pixels, under: Pixels, blob: Field) -> Pixels:
    return (over * blob + under * (1 - blob) + 0.5).astype(np.uint8)
