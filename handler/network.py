"""The module at work: pixels in, probabilities of real and what explains them out."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

import torch

from handler.cuda_graph import CudaGraph
from handler.precision import TYPES
from handler.preprocessing import normalise

logger = logging.getLogger(__name__)
# Feature map and gradient of the head; a probability of real, and what explains it if that was asked for.
Evidence = tuple[torch.Tensor, torch.Tensor]
Judged = tuple[float, Evidence | None]
# Of each way to split a batch: the first two calls prepare what later ones use, and the fastest of the others
# is the one that nothing else interrupted.
PREPARING, TIMED = 2, 4


class Network:
    """A module as `precision.load` gives it, on one device, with the threads of one worker."""

    def __init__(
        self, module: torch.jit.ScriptModule, precision: str, device: torch.device, threads: int
    ) -> None:
        self.module, self.precision, self.device, self.threads = module, precision, device, threads
        self.passes = 1  # the most that a batch is split into
        self.recorded: dict[int, CudaGraph] = {}  # by the size of the batch
        self.runners = ThreadPoolExecutor(threads, thread_name_prefix="pass")

    def choose_passes(self, pixels: torch.Tensor) -> None:
        """Split batches as is fastest for this one, uint8 RGB (N, IMAGE_SIZE, IMAGE_SIZE, 3), on a CPU.

        The threads of one pass wait for each other after every layer, those of separate passes only at the
        end; but a pass of many images makes better use of the processor. Which counts for more depends on
        the processor and the precision.
        """
        if self.device.type != "cpu":
            return
        seconds: dict[int, float] = {}
        for turn in range(PREPARING + TIMED):
            for passes in _ways_to_split(min(self.threads, len(pixels))):
                self.passes = passes
                start = time.perf_counter()
                self.judge(pixels, explain=False)
                taken = time.perf_counter() - start
                if turn >= PREPARING:
                    seconds[passes] = min(taken, seconds.get(passes, taken))
        self.passes = min(seconds, key=lambda passes: seconds[passes])

    def record(self, pixels: torch.Tensor) -> None:
        """Record a GPU's work for batches of as many images as this one, and of fewer."""
        if self.device.type != "cuda":
            return
        try:
            for size in range(1, len(pixels) + 1):
                self.recorded[size] = CudaGraph(self.module, self._batch(pixels[:size]))
        except RuntimeError:
            self.recorded.clear()
            logger.exception("The GPU's work could not be recorded: every kernel is started by itself")

    def judge(self, pixels: torch.Tensor, *, explain: bool) -> list[Judged]:
        """Judge uint8 RGB (N, IMAGE_SIZE, IMAGE_SIZE, 3) in as many passes as were chosen, at most N.

        Each has its share of the threads: a lone image is computed by all of them.
        """
        parts = min(len(pixels), self.passes)
        if parts == 1:
            return self._pass(pixels, explain, self.threads)
        work = partial(self._pass, explain=explain, threads=self.threads // parts)
        return list(chain.from_iterable(self.runners.map(work, pixels.tensor_split(parts))))

    def _pass(self, pixels: torch.Tensor, explain: bool, threads: int) -> list[Judged]:
        torch.set_num_threads(threads)  # counts for the calling Python thread alone
        batch = self._batch(pixels)
        if not explain:
            with torch.inference_mode():
                found = self.recorded.get(len(pixels), self.module)(batch)
                return [(probability, None) for probability in found.tolist()]
        probabilities, feature_maps, gradients = self.module.explain(batch)
        return list(zip(probabilities.tolist(), zip(feature_maps, gradients, strict=True), strict=True))

    def _batch(self, pixels: torch.Tensor) -> torch.Tensor:
        # Pixels travel as bytes: a quarter of what normalised floats would take.
        if self.device.type == "cuda":
            pixels = pixels.pin_memory()
        return normalise(pixels.to(self.device, non_blocking=True)).to(TYPES[self.precision])


def _ways_to_split(most: int) -> list[int]:
    """Return the numbers of passes worth trying: the powers of two below `most`, and `most`."""
    return [1 << power for power in range((most - 1).bit_length())] + [most]
