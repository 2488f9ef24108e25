"""The module at work: pixels in, probabilities of real and what explains them out."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

import torch

from handler.precision import TYPES
from handler.preprocessing import normalise

# Feature map and gradient of the head; a probability of real, and what explains it if that was asked for.
Evidence = tuple[torch.Tensor, torch.Tensor]
Judged = tuple[float, Evidence | None]


class Network:
    """A module as `precision.load` gives it, on one device, with the threads of one worker."""

    def __init__(
        self, module: torch.jit.ScriptModule, precision: str, device: torch.device, threads: int
    ) -> None:
        self.module, self.precision, self.device, self.threads = module, precision, device, threads
        self.passes = ThreadPoolExecutor(threads, thread_name_prefix="pass")

    def judge(self, pixels: torch.Tensor, *, explain: bool) -> list[Judged]:
        """Judge uint8 RGB (N, IMAGE_SIZE, IMAGE_SIZE, 3).

        On a CPU a batch is split into as many passes as there are threads: the threads of one pass wait for
        each other after every layer, and passes only at the end. A lone image is computed by all threads.
        """
        parts = min(len(pixels), self.threads) if self.device.type == "cpu" else 1
        if parts == 1:
            return self._pass(pixels, explain, self.threads)
        work = partial(self._pass, explain=explain, threads=self.threads // parts)
        return list(chain.from_iterable(self.passes.map(work, pixels.tensor_split(parts))))

    def _pass(self, pixels: torch.Tensor, explain: bool, threads: int) -> list[Judged]:
        torch.set_num_threads(threads)  # counts for the calling Python thread alone
        # Pixels travel as bytes: a quarter of what normalised floats would take.
        batch = normalise(pixels.to(self.device)).to(TYPES[self.precision])
        if not explain:
            with torch.inference_mode():
                return [(probability, None) for probability in self.module(batch).tolist()]
        probabilities, feature_maps, gradients = self.module.explain(batch)
        return list(zip(probabilities.tolist(), zip(feature_maps, gradients, strict=True), strict=True))
