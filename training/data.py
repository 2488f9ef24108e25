"""The CSV that `prepare` writes, and the images it names as a data set."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from handler.preprocessing import decode, resize
from training.augment import Pixels, augment
from training.hyperparameters import Augmentation

FAKE, REAL = 0, 1
Example = tuple[Tensor, Tensor]  # an image or its activations, and its label


class DataError(Exception):
    """The data cannot be used as asked; the message says which and what to do."""


def read_csv(path: Path, split: str) -> pd.DataFrame:
    """Return the rows (path, label, split, source) of a split, and of those below it: test holds test/web.

    Raises DataError if the file or the split does not exist.
    """
    if not path.exists():
        raise DataError(f"{path} is missing: `python -m training prepare FOLDER` writes it.")
    frame = pd.read_csv(path, dtype={"path": str, "label": int, "split": str, "source": str})
    rows = frame[(frame["split"] == split) | frame["split"].str.startswith(f"{split}/")]
    if rows.empty:
        raise DataError(f"{path} has no rows of split '{split}', only of {sorted(set(frame['split']))}.")
    return rows.reset_index(drop=True)


def sample(frame: pd.DataFrame, per_source: int | None, seed: int) -> pd.DataFrame:
    """Return at most `per_source` rows of each source and class, drawn at random, in their former order."""
    if per_source is None:
        return frame
    shuffled = frame.sample(frac=1, random_state=seed)
    return shuffled.groupby(["label", "source"]).head(per_source).sort_index().reset_index(drop=True)


class Images(Dataset[Example]):
    """The images of a frame, in the order of its rows, as uint8 RGB (224, 224, 3) with their labels.

    A view is one drawing of the random augmentation: the same seed and view give the same pixels.
    """

    def __init__(
        self, frame: pd.DataFrame, augmentation: Augmentation = "none", seed: int = 0, view: int = 0
    ) -> None:
        self.frame, self.augmentation, self.seed, self.view = frame, augmentation, seed, view
        self.paths = [str(path) for path in frame["path"]]
        self.labels = torch.tensor(frame["label"].to_numpy(), dtype=torch.float32)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    def __getitem__(self, index: int) -> Example:
        """Return an image and its label."""
        pixels = self.change(resize(decode(Path(self.paths[index]).read_bytes())), index)
        return torch.from_numpy(pixels), self.labels[index]

    def change(self, pixels: Pixels, index: int) -> Pixels:
        """Augment an image as the one at `index` is in this view."""
        return augment(pixels, self.augmentation, np.random.default_rng([self.seed, self.view, index]))
