"""Which rows make up each batch of an epoch."""

from collections.abc import Iterator
from math import ceil

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Sampler

from training.data import is_left_out
from training.distributed import World
from training.hyperparameters import Balance, HyperParameters
from training.labels import REAL

POWERS: dict[Balance, float] = {"none": 1.0, "root": 0.5, "sources": 0.0}


class Plan(Sampler[list[int]]):
    """The batches of one epoch at a time, this process's share of them.

    An epoch has as many images as there are rows that are not left out. Without balance each of them comes
    once; with it, they are drawn so that classes are even and, within a class, sources weigh as a power of
    their size (0 for `sources`, 1/2 for `root`). A share of each batch are real images, each followed by the
    fake made of it.
    """

    def __init__(self, frame: pd.DataFrame, hp: HyperParameters, world: World) -> None:
        origin = frame.get("origin", pd.Series(frame.index))
        made = origin != frame.index
        own = frame[~made & ~is_left_out(frame, hp.leave_out)]
        self.own = torch.tensor(own.index.to_numpy())
        self.real = torch.tensor(own.index[own["label"] == REAL].to_numpy())
        self.fake_of = dict(zip(origin[made], frame.index[made], strict=True))
        self.weights = _weights(own, hp.balance)
        self.hp, self.world, self.rows = hp, world, len(frame)
        self.epoch = 0  # counted from 0: decides what is drawn
        self.view = 0  # added to each item, as `Views` reads them

    def __len__(self) -> int:
        """Return this process's number of batches; one that is not full is left out, or is the only one."""
        # Batch normalisation cannot train on a last batch of one.
        return max(1, ceil(len(self.own) / self.world.size) // self.hp.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the items of each batch."""
        generator = torch.Generator().manual_seed(self.hp.seed + self.epoch)
        own = self._share(self._draw(self.own, len(self.own), generator))
        pairs = round(self.hp.synthetic_fakes * self.hp.batch_size / 2)
        plain = self.hp.batch_size - 2 * pairs
        real = self._share(self._draw(self.real, len(self) * pairs * self.world.size, generator))
        for batch in range(len(self)):
            rows = own[batch * plain : (batch + 1) * plain]
            for row in real[batch * pairs : (batch + 1) * pairs]:
                rows += [row, self.fake_of[row]]
            yield [self.view * self.rows + row for row in rows]

    def _draw(self, rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
        if count == 0:
            return rows[:0]
        if self.weights is not None:
            return rows[torch.multinomial(self.weights[rows], count, replacement=True, generator=generator)]
        times = ceil(count / len(rows))
        drawn = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(times)]
        return torch.cat(drawn)[:count]

    def _share(self, rows: Tensor) -> list[int]:
        # Each process gets equally many: the first rows come twice where they do not divide.
        size = self.world.size
        padded = torch.cat([rows, rows[: -len(rows) % size]])
        shared: list[int] = padded[self.world.rank :: size].tolist()
        return shared


def _weights(frame: pd.DataFrame, balance: Balance) -> Tensor | None:
    # By row number, or None where each row is to come once.
    if balance == "none":
        return None
    sizes = frame.groupby(["label", "source"])["path"].transform("size")
    each = sizes ** (POWERS[balance] - 1.0)
    share = each / each.groupby(frame["label"]).transform("sum")
    weights = torch.zeros(int(frame.index.max()) + 1, dtype=torch.float64)
    weights[torch.tensor(frame.index.to_numpy())] = torch.tensor(share.to_numpy())
    return weights
