"""From the bytes of an image file to the tensor the model takes: the only copy of this in the project."""

import os

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

# Callers work on several images at once; threads inside one resize would only get in their way.
cv2.setNumThreads(1)

IMAGE_SIZE = 224
# Per-channel mean and standard deviation of ImageNet in RGB, of values in [0, 1]: those that torchvision's
# ResNet50 weights were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class BadImage(ValueError):
    """The bytes are not an image that can be judged; the message says why, for the person who sent them."""


def decode(data: bytes | bytearray | memoryview) -> NDArray[np.uint8]:
    """Decode an image file of any format OpenCV reads, its EXIF orientation applied.

    Returns RGB of shape (height, width, 3); grey images are repeated over the channels, transparency is
    dropped, 16 bits are reduced to 8.

    Raises BadImage if the file is empty, is no image, is damaged, or has more than MAX_IMAGE_PIXELS pixels.
    """
    if len(data) == 0:
        raise BadImage("The image is empty: send the bytes of an image file.")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            limit = int(os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"])
            raise BadImage(
                f"The image has too many pixels: the limit is {limit / 1e6:g} megapixels."
            ) from error
        raise BadImage(f"The image cannot be decoded: {error.err}.") from error
    if image is None:
        raise BadImage("The bytes are not a readable image: the format is unknown or the file is damaged.")
    return image  # type: ignore[return-value]  # cv2 types every array as a union of all its element types


def resize(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize RGB of shape (height, width, 3) to (IMAGE_SIZE, IMAGE_SIZE, 3); the aspect ratio is not kept."""
    height, width = image.shape[:2]
    # Averaging areas keeps a reduction from aliasing, which would look like a generator's artefacts.
    shrinks = height > IMAGE_SIZE or width > IMAGE_SIZE
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (IMAGE_SIZE, IMAGE_SIZE), interpolation=interpolation)  # type: ignore[return-value]


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Turn uint8 RGB (N, height, width, 3) into the model's input, on the device the images are on.

    Returns float32 (N, 3, height, width) with ImageNet's mean and standard deviation, in channels_last
    memory format.
    """
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=images.device).view(1, 3, 1, 1)
    return images.permute(0, 3, 1, 2).to(torch.float32).div(255).sub(mean).div(std)
