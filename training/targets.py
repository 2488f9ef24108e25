"""What each image is trained towards: its label, softened, and a teacher's opinion of it."""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from training.data import DataError
from training.hyperparameters import HyperParameters
from training.self_made import SOURCE


def soft_targets(frame: pd.DataFrame, hp: HyperParameters) -> Tensor:
    """Return the probability of real (N,) that each row of a frame is trained towards.

    It is the weighted mean of the label and a teacher's probability, as in Hinton et al., "Distilling the
    knowledge in a neural network", 2015, section 2, at a temperature of 1. Fakes that are made on the way,
    which no teacher has seen, have their label alone.

    Raises DataError if the teacher has not judged all other rows.
    """
    label = torch.tensor(frame["label"].to_numpy(), dtype=torch.float32)
    smooth = label * (1 - hp.label_smoothing) + hp.label_smoothing / 2
    if hp.teacher is None:
        return smooth
    judged = (frame["source"] != SOURCE).to_numpy()
    opinion = smooth.clone()
    opinion[torch.tensor(judged)] = _opinion(Path(hp.teacher), frame["path"][judged])
    return torch.lerp(smooth, opinion, hp.teacher_share)


def _opinion(teacher: Path, paths: "pd.Series[str]") -> Tensor:
    hint = f"`python -m training evaluate TEACHER --split train --out {teacher.parent.parent}` writes it"
    if not teacher.exists():
        raise DataError(f"{teacher} is missing: {hint}.")
    scored = pd.read_csv(teacher)
    if not {"path", "probability"} <= set(scored):
        raise DataError(f"{teacher} has no columns path and probability: {hint}.")
    found = paths.map(scored.drop_duplicates("path").set_index("path")["probability"])
    if found.isna().any():
        unknown = paths[found.isna()]
        example = f"{len(unknown)} of {len(paths)} training images, such as {unknown.iloc[0]}"
        raise DataError(f"{teacher} lacks {example}: {hint}.")
    return torch.tensor(found.to_numpy(), dtype=torch.float32)
