"""The CSV that `prepare` writes, and the images it names as a data set."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from handler.preprocessing import decode, resize
from training.augment import augment, random_square
from training.degrade import Pixels
from training.hyperparameters import Augmentation
from training.self_made import make_fake

Example = tuple[Tensor, Tensor, int]  # an image or its activations, its label, and its row


class DataError(Exception):
    """The data cannot be used as asked; the message says which and what to do."""


def read_csv(path: Path, split: str) -> pd.DataFrame:
    """Return the rows (path, label, split, source) of a split, and of those below it: test holds test/web.

    Raises DataError if the file or the split does not exist.
    """
    if not path.exists():
        raise DataError(f"{path} is missing: `python -m training prepare FOLDER` writes it.")
    frame = pd.read_csv(path, dtype={"path": str, "label": int, "split": str, "source": str})
    rows = rows_of(frame, split)
    if rows.empty:
        raise DataError(f"{path} has no rows of split '{split}', only of {sorted(set(frame['split']))}.")
    return rows


def rows_of(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of a split, and of those below it."""
    inside = (frame["split"] == split) | frame["split"].str.startswith(f"{split}/")
    return frame[inside].reset_index(drop=True)


def sample(frame: pd.DataFrame, per_source: int | None, seed: int) -> pd.DataFrame:
    """Return at most `per_source` rows of each source and class, drawn at random, in their former order."""
    if per_source is None:
        return frame
    shuffled = frame.sample(frac=1, random_state=seed)
    return shuffled.groupby(["label", "source"]).head(per_source).sort_index().reset_index(drop=True)


def is_left_out(frame: pd.DataFrame, sources: tuple[str, ...]) -> "pd.Series[bool]":
    """Tell for each row whether it is of one of these sources."""
    return frame["source"].isin(sources)


def leave_out(frame: pd.DataFrame, sources: tuple[str, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of other sources than these, and those of these, as they are numbered in the frame.

    Raises DataError for a source that the frame does not hold, or if a class would be without images.
    """
    unknown = set(sources) - set(frame["source"])
    if unknown:
        known = ", ".join(sorted(set(frame["source"])))
        raise DataError(f"There are no images of source {', '.join(sorted(unknown))}, only of {known}.")
    out = is_left_out(frame, sources)
    remaining = frame[~out].groupby("split")["label"].nunique()
    if (remaining.reindex(frame["split"].unique(), fill_value=0) < 2).any() and sources:
        raise DataError(f"Without {', '.join(sources)} a split has no images of one class.")
    return frame[~out], frame[out]


class Images(Dataset[Example]):
    """The images of a frame, in the order of its rows, as uint8 RGB (224, 224, 3) with their labels.

    A view is one drawing of the random augmentation: the same seed and view give the same pixels. With `crop`
    it is a random square (crop, crop, 3) of the augmented image. Where the
    frame has a column `origin`, a row that is not its own origin is a fake made of that row, and both are
    augmented alike.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        augmentation: Augmentation = "none",
        seed: int = 0,
        view: int = 0,
        crop: int | None = None,
    ) -> None:
        self.frame, self.augmentation, self.seed, self.view = frame, augmentation, seed, view
        self.crop = crop
        self.paths = [str(path) for path in frame["path"]]
        self.origins = [int(row) for row in frame.get("origin", range(len(frame)))]
        self.labels = torch.tensor(frame["label"].to_numpy(), dtype=torch.float32)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    def __getitem__(self, row: int) -> Example:
        """Return an image of this view, its label and its row."""
        return self.example(row, self.view)

    def example(self, row: int, view: int) -> Example:
        """Return an image of any view, its label and its row."""
        pixels = resize(decode(Path(self.paths[row]).read_bytes()))
        origin = self.origins[row]
        if origin != row:
            pixels = make_fake(pixels, np.random.default_rng([self.seed, view, row]))
        return torch.from_numpy(self.change(pixels, origin, view)), self.labels[row], row

    def change(self, pixels: Pixels, row: int, view: int) -> Pixels:
        """Augment an image as the one of that row is in a view."""
        rng = np.random.default_rng([self.seed, view, row])
        changed = augment(pixels, self.augmentation, rng)
        return changed if self.crop is None else random_square(changed, self.crop, rng)


class Views(Dataset[Example]):
    """Images in all their views: item `view * len(images) + row`."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __getitem__(self, item: int) -> Example:
        """Return an image in the view that the item names, its label and its row."""
        view, row = divmod(item, len(self.images))
        return self.images.example(row, view)
