"""One array on disk that is filled row by row, and knows how far."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data import DataError


@dataclass(frozen=True)
class Entry:
    """One array on disk, with the number of rows that are done."""

    path: Path
    shape: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Return how many rows are computed."""
        mark = self.path / "rows.json"
        return int(json.loads(mark.read_text())) if mark.exists() else 0

    @property
    def complete(self) -> bool:
        """Return whether all rows are computed."""
        return self.rows == self.shape[0]

    def mark(self, rows: int) -> None:
        """Note that so many rows are computed."""
        (self.path / "rows.json").write_text(json.dumps(rows))

    def open(self) -> "np.memmap[tuple[int, ...], np.dtype[np.float16]]":
        """Open the array to be filled; raises DataError if the disk cannot hold it."""
        file = self.path / "features.npy"
        if self.rows:
            return np.lib.format.open_memmap(file, mode="r+")
        self.path.mkdir(parents=True, exist_ok=True)
        needed = int(np.prod(self.shape)) * 2
        if needed > shutil.disk_usage(self.path).free:
            raise DataError(
                f"The feature cache needs {needed / 1e9:.1f} GB at {self.path}, and the disk has less: use"
                " fewer views, another --cache folder, or --no-cache."
            )
        return np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=self.shape)

    def read(self) -> NDArray[np.float16]:
        """Return the array, on disk."""
        array: NDArray[np.float16] = np.load(self.path / "features.npy", mmap_mode="r")
        return array
