"""LitServe with Unmask's preprocessing and module: `python -m benchmarks.serving.with_litserve --help`.

Set up as its documentation advises for images: base64 in JSON, dynamic batching, workers and threads that
together are the cores.
"""

import base64
from pathlib import Path
from typing import Any

import litserve

from benchmarks.serving.judge import BATCH, BATCH_SECONDS, Image, Judge, peer_arguments, read


class Api(litserve.LitAPI):
    """Judges images in batches."""

    def __init__(self, module: Path, precision: str, threads: int) -> None:
        super().__init__(max_batch_size=BATCH, batch_timeout=BATCH_SECONDS)
        self.served = module, precision, threads

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the module, in the worker's process."""
        self.judge = Judge(*self.served)

    def decode_request(self, request: dict[str, str]) -> Image:
        """Decode and resize one image."""
        return read(base64.b64decode(request["image"]))

    def batch(self, inputs: list[Image]) -> list[Image]:
        """Leave the images as they are: the judge stacks them."""
        return inputs

    def predict(self, batch: list[Image]) -> list[float]:
        """Judge a batch."""
        return self.judge(batch)

    def unbatch(self, output: list[float]) -> list[float]:
        """Return one answer for each image."""
        return output

    def encode_response(self, output: float) -> dict[str, Any]:
        """Answer with the probability of real."""
        return {"probability_real": output}


def main() -> None:
    """Serve until stopped."""
    arguments = peer_arguments(__doc__)
    api = Api(arguments.module, arguments.precision, arguments.threads)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=arguments.workers, timeout=60)
    server.run(host="127.0.0.1", port=arguments.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
