"""BentoML with Unmask's preprocessing and module: `python -m benchmarks.serving.with_bentoml --help`.

Set up as its documentation advises: adaptive batching of a list in JSON, whose window it chooses itself, and
workers and threads that together are the cores; without its log of every access, and its metrics.
"""

import base64
import json
import os
import sys
from pathlib import Path

import bentoml

from benchmarks.serving.judge import BATCH, Judge, peer_arguments, read

# The command line, for the processes that BentoML starts.
SETTINGS = "UNMASK_PEER"
settings = json.loads(os.environ.get(SETTINGS, '{"workers": 1}'))


@bentoml.service(
    workers=settings["workers"],
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    traffic={"timeout": 60},
)
class Api:
    """Judges images in batches."""

    def __init__(self) -> None:
        """Load the module, in the worker's process."""
        self.judge = Judge(Path(settings["module"]), settings["precision"], settings["threads"])

    @bentoml.api(batchable=True, max_batch_size=BATCH)
    def predict(self, images: list[str]) -> list[dict[str, float]]:
        """Answer images in base64 with their probabilities of real."""
        found = self.judge([read(base64.b64decode(image)) for image in images])
        return [{"probability_real": probability} for probability in found]


def main() -> None:
    """Serve until stopped."""
    arguments = peer_arguments(__doc__)
    names = ("module", "precision", "workers", "threads")
    environment = {SETTINGS: json.dumps({name: getattr(arguments, name) for name in names}, default=str)}
    command = [sys.executable, "-m", "bentoml", "serve", "benchmarks.serving.with_bentoml:Api"]
    command += ["--host", "127.0.0.1", "--port", str(arguments.port)]
    os.execve(sys.executable, command, os.environ | environment)  # noqa: S606


if __name__ == "__main__":
    main()
