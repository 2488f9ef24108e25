"""One process or several under torchrun: who am I, on which device, and what all of them hold."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class World:
    """This process among those that train together."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Return whether this process writes the files and shows the progress."""
        return self.rank == 0

    def gather(self, values: Tensor) -> Tensor:
        """Return the rows that all processes hold, one process after the other, on the CPU."""
        mine = values.cpu()
        if self.size == 1:
            return mine
        parts: list[Tensor] = [mine] * self.size
        dist.all_gather_object(parts, mine)
        return torch.cat(parts)

    def align(self, module: nn.Module) -> None:
        """Give all processes the first one's weights and statistics."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, 0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def join() -> Iterator[World]:
    """Enter the world that torchrun's variables describe; without them, a world of one.

    NCCL connects GPUs, one for each process; gloo connects processes on the CPU.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        # Images are all of one size, so it is worth looking for the fastest convolutions.
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    if size == 1:
        yield World(0, 1, device)
        return
    # The others wait while the first one fills the cache, which takes longer than the default half hour.
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(hours=24))
    try:
        yield World(rank, size, device)
    finally:
        dist.destroy_process_group()
