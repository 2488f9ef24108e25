"""From the bytes of an image file to the tensor the model takes: the only copy of this in the project."""

import os

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

# Callers work on several images at once; threads inside one resize would only get in their way.
cv2.setNumThreads(1)

IMAGE_SIZE = 224
# No side of a JPEG is decoded smaller: reduced further, it would lose detail that IMAGE_SIZE keeps.
LEAST_REDUCED = 2 * IMAGE_SIZE
# By the divisor of both sides. OpenCV's flags "COLOR" name its own order of colours, and go not with RGB.
REDUCED = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}
# Per-channel mean and standard deviation of ImageNet in RGB, of values in [0, 1]: those that torchvision's
# ResNet50 weights were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class BadImage(ValueError):
    """The bytes are not an image that can be judged; the message says why, for the person who sent them."""


def decode(data: bytes | bytearray | memoryview) -> NDArray[np.uint8]:
    """Decode an image file of any format OpenCV reads, its EXIF orientation applied.

    Returns RGB of shape (height, width, 3); grey images are repeated over the channels, transparency is
    dropped, 16 bits are reduced to 8. A large JPEG comes with both sides divided by 8, 4 or 2, the most that
    leaves them at LEAST_REDUCED: the decoder then skips the work for detail that `resize` would average away.

    Raises BadImage if the file is empty, is no image, is damaged, or has more than MAX_IMAGE_PIXELS pixels.
    """
    if len(data) == 0:
        raise BadImage("The image is empty: send the bytes of an image file.")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | _reduction(data))
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise BadImage(
                f"The image has too many pixels: the limit is {_most_pixels() / 1e6:g} megapixels."
            ) from error
        raise BadImage(f"The image cannot be decoded: {error.err}.") from error
    if image is None:
        raise BadImage("The bytes are not a readable image: the format is unknown or the file is damaged.")
    return image  # type: ignore[return-value]  # cv2 types every array as a union of all its element types


def _most_pixels() -> int:
    return int(os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"])


def _reduction(data: bytes | bytearray | memoryview) -> int:
    """Return the flag that lets OpenCV decode a JPEG reduced, or 0."""
    height, width = _jpeg_size(data)
    # OpenCV compares its limit with the reduced size: an image above it is left to be refused.
    if height * width <= _most_pixels():
        for divisor, flag in REDUCED.items():
            if min(height, width) >= divisor * LEAST_REDUCED:
                return flag
    return 0


def _jpeg_size(data: bytes | bytearray | memoryview) -> tuple[int, int]:
    """Return height and width by a JPEG's frame header (ITU-T T.81, B.2.2), or zeros without one."""
    position = 2 if bytes(data[:2]) == b"\xff\xd8" else len(data)
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, segment = data[position + 1], data[position + 2 : position + 9]
        # Frames of all kinds; the three between them are tables and no frames.
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[5:7], "big")
        position += 2 + int.from_bytes(segment[:2], "big")
    return 0, 0


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
    n, height, width, channels = images.shape
    # Row by row: over three channels at a time it would take five times as long.
    rows = images.reshape(n, height, width * channels).to(torch.float32)
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).repeat(width)
    std = torch.tensor(IMAGENET_STD, device=images.device).repeat(width)
    normalised = rows.div_(255).sub_(mean).div_(std)
    return normalised.view(n, height, width, channels).permute(0, 3, 1, 2)
