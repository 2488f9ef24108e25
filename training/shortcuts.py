"""What a detector could learn instead of fakes: how well plain properties of the images tell the classes."""

from collections.abc import Callable
from pathlib import Path

import cv2
import pandas as pd

from training.data import Images
from training.degrade import Pixels
from training.hyperparameters import Augmentation
from training.metrics import source_aucs


def properties(image: Pixels) -> dict[str, float]:
    """Return what can be said of uint8 RGB (height, width, 3) without looking at what it shows.

    Brightness and contrast are mean and standard deviation of the grey levels, saturation is the mean of
    HSV's, all of 255; sharpness is the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing
    in brightfield microscopy", ICPR 2000).
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "saturation": float(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1].mean()),
        "sharpness": float(cv2.Laplacian(grey, cv2.CV_64F).var()),
    }


def shortcuts(
    frame: pd.DataFrame,
    augmentation: Augmentation,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> pd.DataFrame:
    """Return the ROC AUC of "real" by each property alone: a row for each, columns `all` and the sources.

    Properties are those of the resized and augmented image, and the size of its file, which augmentation
    cannot change. 0.5 tells nothing, and 0 as much as 1. A source of one class is ranked against all images
    of the other.
    """
    images = Images(frame, augmentation, seed)
    found = []
    for row, path in enumerate(images.paths):
        pixels = images[row][0].numpy()
        found.append(properties(pixels) | {"bytes of the file": float(Path(path).stat().st_size)})
        progress(row + 1, len(images))
    values = pd.DataFrame(found)
    aucs = {}
    for name in values:
        whole, sources = source_aucs(frame.assign(probability=values[name].to_numpy()))
        aucs[name] = {"all": whole} | sources
    return pd.DataFrame(aucs).T
