"""Ray Serve with Unmask's preprocessing and module: `python -m benchmarks.serving.with_ray --help`.

Set up as its documentation advises: dynamic batching, replicas whose CPUs together are the cores, room for
more requests in a replica than a batch holds, and no work on the replica's event loop.
"""

import asyncio
import tempfile
from pathlib import Path

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from starlette.requests import Request

from benchmarks.serving.judge import BATCH, BATCH_SECONDS, Image, Judge, peer_arguments, read

WAITING = 64  # of requests in a replica: the most clients that the benchmark has


class Api:
    """Judges images in batches."""

    def __init__(self, module: Path, precision: str, threads: int) -> None:
        """Load the module, in the replica's process."""
        self.judge = Judge(module, precision, threads)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=BATCH_SECONDS)
    async def judge_batch(self, images: list[Image]) -> list[float]:
        """Judge a batch."""
        return await asyncio.to_thread(self.judge, images)

    async def __call__(self, request: Request) -> dict[str, float]:
        """Answer a posted image with the probability of real, and a GET once the model is loaded."""
        if request.method == "GET":
            return {}
        image = await asyncio.to_thread(read, await request.body())
        return {"probability_real": await self.judge_batch(image)}


def main() -> None:
    """Serve until stopped."""
    arguments = peer_arguments(__doc__)
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        cores = arguments.workers * arguments.threads
        ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
        serve.start(http_options=HTTPOptions(host="127.0.0.1", port=arguments.port))
        replicas = serve.deployment(
            num_replicas=arguments.workers,
            max_ongoing_requests=WAITING,
            ray_actor_options={"num_cpus": arguments.threads},
        )
        served = replicas(Api).bind(arguments.module, arguments.precision, arguments.threads)
        serve.run(served, route_prefix="/predict", blocking=True)


if __name__ == "__main__":
    main()
