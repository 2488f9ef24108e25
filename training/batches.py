"""What a run trains on: images, or their cached activations, in this process's share of the batches."""

from dataclasses import dataclass

import pandas as pd
from torch.utils.data import BatchSampler, DataLoader, Dataset, DistributedSampler, Subset

from training.cache import Cache, Maps
from training.data import Example, Images
from training.distributed import World
from training.hyperparameters import HyperParameters
from training.model import Cut, Detector

Batches = DataLoader[Example]


@dataclass(frozen=True)
class Source:
    """The training and validation images of a run, and where its detector is cut."""

    hyperparameters: HyperParameters
    train: pd.DataFrame
    validation: pd.DataFrame
    world: World
    cache: Cache | None  # without one, every epoch sends every image through the whole network
    workers: int = 1  # processes that read and augment images

    @property
    def cut(self) -> Cut:
        """Return where the activations come from."""
        if self.cache is None:
            return "image"
        return "pooled" if self.hyperparameters.unfreeze == "none" else "layer3"

    def training(self, detector: Detector, epoch: int) -> Batches:
        """Return the shuffled batches of an epoch, counted from 0."""
        hp = self.hyperparameters
        view = epoch if self.cache is None else epoch % hp.views
        images = Images(self.train, hp.augmentation, hp.seed, view)
        sampler: DistributedSampler[int] = DistributedSampler(
            images, self.world.size, self.world.rank, shuffle=True, seed=hp.seed
        )
        sampler.set_epoch(epoch)
        # Batch normalisation cannot train on a last batch of one.
        groups = BatchSampler(sampler, hp.batch_size, drop_last=len(sampler) >= hp.batch_size)
        return DataLoader(self._load(detector, images), batch_sampler=groups, num_workers=self._workers)

    def validating(self, detector: Detector) -> Batches:
        """Return the validation batches; every image is in one process's share."""
        data = self._load(detector, Images(self.validation))
        share = Subset(data, range(self.world.rank, len(self.validation), self.world.size))
        return DataLoader(share, self.hyperparameters.batch_size, num_workers=self._workers)

    @property
    def _workers(self) -> int:
        return self.workers if self.cache is None else 0

    def _load(self, detector: Detector, images: Images) -> Dataset[Example]:
        if self.cache is None:
            return images
        if self.world.leads:
            self.cache.load(detector, self.cut, images)
        self.world.wait()
        return Maps(self.cache.load(detector, self.cut, images), images.labels)
