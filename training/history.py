"""What a training run leaves for people: metrics.csv and a plot of loss and accuracy."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from training.checkpoint import Row

matplotlib.use("agg")


def write_history(history: list[Row], folder: Path) -> None:
    """Write metrics.csv and history.png for the epochs so far."""
    frame = pd.DataFrame(history)
    frame.to_csv(folder / "metrics.csv", index=False)
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split in ("train", "val"):
            axes.plot(frame["epoch"], frame[f"{split}_{name}"], marker="o", label=split)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    figure.savefig(folder / "history.png", dpi=120)
