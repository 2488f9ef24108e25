"""What a run trains on: images, or their cached activations, in this process's share of the batches."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from training.cache import Cache, Maps
from training.data import Example, Images, Views, is_left_out
from training.distributed import World
from training.hyperparameters import HyperParameters
from training.model import Cut, Detector
from training.sampling import Plan
from training.targets import soft_targets

Batches = DataLoader[Example]


@dataclass
class Source:
    """The training and validation images of a run, and where its detector is cut.

    Both hold the sources that are left out as well, so that all runs of a series use one cache.
    """

    hyperparameters: HyperParameters
    train: pd.DataFrame
    validation: pd.DataFrame
    world: World
    cache: Cache | None  # without one, every epoch sends every image through the whole network
    workers: int = 1  # processes that read and augment images

    @cached_property
    def targets(self) -> Tensor:
        """Return the probability of real (N,) that each training row is trained towards."""
        return soft_targets(self.train, self.hyperparameters)

    @property
    def cut(self) -> Cut:
        """Return where the activations come from."""
        if self.cache is None:
            return "image"
        return "pooled" if self.hyperparameters.unfreeze == "none" else "layer3"

    def training(self, detector: Detector, epoch: int) -> Batches:
        """Return the shuffled batches of an epoch, counted from 0."""
        hp, plan = self.hyperparameters, self._plan
        plan.epoch = epoch
        if self.cache is None:
            plan.view = epoch
            return self._images
        images = Images(self.train, hp.augmentation, hp.seed, epoch % hp.views)
        return DataLoader(self._load(detector, images), batch_sampler=plan)

    def validating(self, detector: Detector) -> Batches:
        """Return the validation batches; every image is in one process's share."""
        data = self._load(detector, Images(self.validation))
        rows = self.validation.index[~is_left_out(self.validation, self.hyperparameters.leave_out)]
        share = Subset(data, rows[self.world.rank :: self.world.size].tolist())
        return DataLoader(share, self.hyperparameters.batch_size, **self._reading)

    @cached_property
    def _plan(self) -> Plan:
        return Plan(self.train, self.hyperparameters, self.world)

    @cached_property
    def _images(self) -> Batches:
        # One loader for all epochs: its workers stay alive, and learn the view from the items.
        hp = self.hyperparameters
        images = Views(Images(self.train, hp.augmentation, hp.seed, crop=hp.crop))
        return DataLoader(images, batch_sampler=self._plan, **self._reading)

    @property
    def _reading(self) -> dict[str, Any]:
        workers = self.workers if self.cache is None else 0
        return {
            "num_workers": workers,
            "persistent_workers": workers > 0,
            "pin_memory": self.world.device.type == "cuda",
        }

    def _load(self, detector: Detector, images: Images) -> Dataset[Example]:
        if self.cache is None:
            return images
        if self.world.leads:
            self.cache.load(detector, self.cut, images)
        self.world.wait()
        return Maps(self.cache.load(detector, self.cut, images), images.labels)
