"""The pictures of an evaluation: ROC, reliability, and a contact sheet of judged images."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve

from handler.preprocessing import decode, resize
from training.labels import FAKE
from training.metrics import error_over_coverage

NAMES = ("fake", "real")


def save_plots(scored: pd.DataFrame, folder: Path) -> None:
    """Write a .png of each figure below for rows with path, label, source, probability."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in (
        ("roc", roc(scored)),
        ("reliability", reliability(scored)),
        ("abstention", abstention(scored)),
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


def abstention(scored: pd.DataFrame) -> Figure:
    """Draw the share of wrong verdicts over the share of images judged, for all and for each source."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    for name, rows in [("all", scored), *((str(name), rows) for name, rows in scored.groupby("source"))]:
        _, error = error_over_coverage(rows)
        axes.plot(np.arange(1, len(error) + 1) / len(error), error, label=name)
    axes.set_xlabel("share of images judged, the most confident first")
    axes.set_ylabel("share of wrong verdicts")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


def robustness(splits: dict[str, list[dict[str, Any]]]) -> Figure:
    """Draw the AUC over the strength of each change of `stress.CHANGES`, a line for each split."""
    families = list(
        dict.fromkeys(row["family"] for rows in splits.values() for row in rows if "family" in row)
    )
    figure = Figure(figsize=(3.2 * len(families), 3.2), layout="constrained")
    for axes, family in zip(figure.subplots(1, len(families), sharey=True), families, strict=True):
        for number, (split, (clean, *rows)) in enumerate(splits.items()):
            points = [(row["level"], row["roc_auc"]) for row in rows if row["family"] == family]
            axes.plot(*zip(*points, strict=True), marker="o", color=f"C{number}", label=split)
            axes.axhline(clean["roc_auc"], color=f"C{number}", linestyle=":")
        axes.set_xlabel(family)
    figure.axes[0].set_ylabel("ROC AUC (dotted: unchanged)")
    figure.axes[0].legend()
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
