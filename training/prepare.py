"""From a data folder to the CSV of paths, labels, splits and sources that every later step reads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.cluster import DBSCAN
from sklearn.model_selection import StratifiedGroupKFold

from handler.preprocessing import BadImage, decode, resize
from training.data import DataError
from training.labels import FAKE, REAL

CLASSES = {"fake": FAKE, "real": REAL}
SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
# Not pictures, but common beside them.
SKIPPED_SUFFIXES = {".csv", ".json", ".md", ".txt", ".yaml", ".yml"}
HASH_BITS = 64
# Perceptual hashes that differ in no more bits are of the same picture, re-encoded or slightly changed.
NEAR_DUPLICATE_BITS = 4
FOLDS = 20  # of 5 % each: one for validation, one for the test, the others for training


def scan(folder: Path) -> pd.DataFrame:
    """Return a row (path, label, split, source) for each file below a folder named real or fake.

    Names count in any case. Folders between split and class belong to the split (`test/web/real` is split
    `test/web`), those below the class name the source; a manifest.csv (file, source) in the data folder
    goes before them. The split is empty where no folder names one.
    """
    manifest = _manifest_sources(folder)
    rows = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix.lower() in SKIPPED_SUFFIXES or path.name.startswith("."):
            continue
        file = path.relative_to(folder)
        parts = [part.lower() for part in file.parts[:-1]]
        classes = [i for i, part in enumerate(parts) if part in CLASSES]
        if not classes:
            continue
        at = classes[-1]
        splits = [i for i, part in enumerate(parts) if part in SPLITS]
        split = "/".join([SPLITS[parts[splits[0]]], *parts[splits[0] + 1 : at]]) if splits else ""
        below = [part for i, part in enumerate(parts) if i > at and i not in splits]
        source = manifest.get(file.as_posix()) or "/".join(below) or folder.resolve().name
        rows.append((str(path), CLASSES[parts[at]], split, source))
    if not rows:
        raise DataError(f"{folder} holds no files below a folder named real or fake.")
    return pd.DataFrame(rows, columns=["path", "label", "split", "source"])


def prepare(
    folder: Path, seed: int, progress: Callable[[str, int, int], None] = lambda _name, _done, _total: None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the usable rows with their splits, and the dropped ones (path, reason).

    A folder without splits is shuffled and split 90 / 5 / 5, stratified by class; near-duplicates stay
    together. `progress` is called with a name, the files read so far, and all files.

    Raises DataError for a folder that is split only in part, or too small to be split.
    """
    frame = scan(folder)
    named = frame["split"] != ""
    if named.any() and not named.all():
        stray = frame.loc[~named, "path"].iloc[0]
        raise DataError(f"Some files of {folder} stand in a split and some, like {stray}, do not.")
    with ThreadPoolExecutor() as pool:
        read = []
        for result in pool.map(_unsplit_hash if not named.any() else _check, frame["path"]):
            read.append(result)
            progress("Reading", len(read), len(frame))
    bad = np.array([isinstance(result, str) for result in read])
    dropped = pd.DataFrame(
        {"path": frame.loc[bad, "path"], "reason": [r for r in read if isinstance(r, str)]}
    )
    frame = frame[~bad].reset_index(drop=True)
    if not named.any():
        hashes = np.array([result for result in read if not isinstance(result, str)], dtype=bool)
        frame["split"] = assign_splits(frame["label"].to_numpy(), near_duplicates(hashes), seed)
    return frame, dropped


def near_duplicates(
    hashes: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return a group number for each perceptual hash (N, HASH_BITS); chains of neighbours are one group."""
    clustering = DBSCAN(eps=NEAR_DUPLICATE_BITS / HASH_BITS, min_samples=1, metric="hamming")
    groups: np.ndarray[tuple[int], np.dtype[np.int64]] = clustering.fit_predict(hashes)
    return groups


def assign_splits(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]],
    groups: np.ndarray[tuple[int], np.dtype[np.int64]],
    seed: int,
) -> list[str]:
    """Return train, val or test for each row, 90 / 5 / 5, stratified by label; a group is never divided."""
    if min(np.bincount(labels, minlength=2)) < FOLDS:
        raise DataError(f"A folder without splits needs at least {FOLDS} readable images of each class.")
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    splits = ["train"] * len(labels)
    for name, (_, rows) in zip(("val", "test"), folds.split(labels, labels, groups), strict=False):
        for row in rows:
            splits[row] = name
    return splits


def _check(path: str) -> str | None:
    try:
        decode(Path(path).read_bytes())
    except (BadImage, OSError) as error:
        return str(error)
    return None


def _unsplit_hash(path: str) -> str | list[bool]:
    try:
        pixels = resize(decode(Path(path).read_bytes()))
    except (BadImage, OSError) as error:
        return str(error)
    return [bool(bit) for bit in imagehash.phash(Image.fromarray(pixels)).hash.flatten()]


def _manifest_sources(folder: Path) -> dict[str, str]:
    path = folder / "manifest.csv"
    if not path.exists():
        return {}
    manifest = pd.read_csv(path, dtype=str)
    if not {"file", "source"} <= set(manifest.columns):
        raise DataError(f"{path} needs the columns file and source.")
    return dict(zip(manifest["file"], manifest["source"], strict=True))
