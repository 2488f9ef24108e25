"""LitServe with Unmask's preprocessing and module: `python -m benchmarks.serving.peer --help`.

Set up as its documentation advises for images: base64 in JSON, dynamic batching, workers and threads that
together are the cores.
"""

import argparse
import base64
from pathlib import Path
from typing import Any

import litserve
import numpy as np
import torch
from numpy.typing import NDArray

from handler.precision import load
from handler.preprocessing import decode, normalise, resize

BATCH = 8
BATCH_SECONDS = 0.015


class Api(litserve.LitAPI):
    """Judges images in batches."""

    def __init__(self, module: Path, precision: str, threads: int) -> None:
        super().__init__(max_batch_size=BATCH, batch_timeout=BATCH_SECONDS)
        self.path, self.precision, self.threads = module, precision, threads

    def setup(self, device: str) -> None:
        """Load the module and warm it up for every batch size."""
        torch.set_num_threads(self.threads)
        self.module = load(self.path, self.precision, torch.device(device))
        for size in (1, *range(1, BATCH + 1)):
            self.predict(np.zeros((size, 224, 224, 3), np.uint8))

    def decode_request(self, request: dict[str, str]) -> NDArray[np.uint8]:
        """Decode and resize one image."""
        return resize(decode(base64.b64decode(request["image"])))

    def batch(self, inputs: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Stack images."""
        return np.stack(inputs)

    @torch.inference_mode()
    def predict(self, batch: NDArray[np.uint8]) -> list[float]:
        """Judge a batch."""
        return self.module(normalise(torch.from_numpy(batch))).tolist()  # type: ignore[no-any-return]

    def unbatch(self, output: list[float]) -> list[float]:
        """Return one answer for each image."""
        return output

    def encode_response(self, output: float) -> dict[str, Any]:
        """Answer with the probability of real."""
        return {"probability_real": output}


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, required=True)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of one worker")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    api = Api(arguments.module, arguments.precision, arguments.threads)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=arguments.workers, timeout=60)
    server.run(host="127.0.0.1", port=arguments.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
