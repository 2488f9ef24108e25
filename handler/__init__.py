"""What ships inside the archive: preprocessing and the TorchServe handler, and nothing else."""

import os

# OpenCV compares this with the image's header, before it allocates memory for the pixels. It reads it once,
# when it is loaded, and every module of this package is loaded after this one.
MAX_IMAGE_PIXELS = 50_000_000
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_IMAGE_PIXELS))
# The caller learns of a bad image from BadImage; the decoder's own lines would only flood the log.
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
