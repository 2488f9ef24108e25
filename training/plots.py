"""The pictures of an evaluation: ROC, reliability, and a contact sheet of judged images."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve

from handler.preprocessing import decode, resize
from training.data import FAKE

NAMES = ("fake", "real")


def save_plots(scored: pd.DataFrame, folder: Path) -> None:
    """Write roc.png, reliability.png and contact-sheet.png for rows with path, label, source, probability."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in (
        ("roc", roc(scored)),
        ("reliability", reliability(scored)),
        ("contact-sheet", contact_sheet(scored)),
    ):
        figure.savefig(folder / f"{name}.png", dpi=120)


def roc(scored: pd.DataFrame) -> Figure:
    """Draw the share of fakes found over the share of real images accused, for all and for each source."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    for name, rows in [("all", scored), *((str(name), rows) for name, rows in scored.groupby("source"))]:
        fake = rows["label"].to_numpy() == FAKE
        if fake.all() or not fake.any():
            continue
        accused, found, _ = roc_curve(fake, 1 - rows["probability"])
        axes.plot(accused, found, label=f"{name}: AUC {roc_auc_score(fake, 1 - rows['probability']):.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.set_xlabel("real images called fake")
    axes.set_ylabel("fake images called fake")
    axes.legend()
    return figure


def reliability(scored: pd.DataFrame) -> Figure:
    """Draw how often images are real over the probability that the model gave."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    observed, given = calibration_curve(scored["label"], scored["probability"], n_bins=10)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot(given, observed, marker="o")
    axes.set_xlabel("probability of real")
    axes.set_ylabel("share of real images")
    return figure


def contact_sheet(scored: pd.DataFrame, rows: int = 4, columns: int = 6) -> Figure:
    """Show randomly drawn images with their predicted and actual label and the probability of real."""
    drawn = scored.sample(min(rows * columns, len(scored)), random_state=0)
    figure = Figure(figsize=(2 * columns, 2.4 * rows), layout="constrained")
    cells = np.atleast_1d(figure.subplots(rows, columns)).flatten()
    for cell in cells:
        cell.axis("off")
    for cell, (path, label, probability) in zip(
        cells, drawn[["path", "label", "probability"]].itertuples(index=False), strict=False
    ):
        answer = int(probability >= 0.5)
        cell.imshow(resize(decode(Path(path).read_bytes())))
        cell.set_title(
            f"{NAMES[answer]} ({probability:.2f}), is {NAMES[label]}",
            fontsize=8,
            color="black" if answer == label else "red",
        )
    return figure
