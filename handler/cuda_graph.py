"""A GPU's work for one size of batch, recorded once: one call starts it, instead of one for each kernel."""

from collections.abc import Callable

import torch

# The profiling executor of TorchScript compiles on the first calls, which no recording may hold.
WARM_UPS = 3


class CudaGraph:
    """A function of a tensor on a GPU, recorded for tensors like an example.

    Raises RuntimeError where the function does something that cannot be recorded.
    https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], example: torch.Tensor) -> None:
        with torch.cuda.device(example.device), torch.inference_mode():
            self.input = example.clone()
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(WARM_UPS):
                    function(self.input)
            torch.cuda.current_stream().wait_stream(aside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.output = function(self.input)

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        """Return the function's value, in memory that the next call overwrites."""
        with torch.cuda.device(value.device), torch.inference_mode():
            self.input.copy_(value)
            self.graph.replay()
        return self.output
