"""The command that looks for shortcuts in the training images."""

from functools import partial
from pathlib import Path
from typing import get_args

import click
from rich.table import Table

from training.cli import Steps, console, csv_option, main
from training.data import read_csv, sample
from training.hyperparameters import Augmentation
from training.shortcuts import shortcuts as measure


@main.command()
@csv_option
@click.option("--split", default="train", show_default=True)
@click.option(
    "--augmentation",
    type=click.Choice(get_args(Augmentation)),
    default="none",
    show_default=True,
    help="As a run would change the images.",
)
@click.option(
    "--per-source", default=300, show_default=True, help="At most so many images of each source and class."
)
@click.option("--seed", default=0, show_default=True)
def shortcuts(csv: Path, split: str, augmentation: Augmentation, per_source: int, seed: int) -> None:
    """Measure how well brightness, sharpness and the like alone tell real from fake.

    A detector can learn whatever does. An ROC AUC of 0.5 tells nothing, and 0 as much as 1.

    \b
    Examples:
      python -m training shortcuts
      python -m training shortcuts --augmentation strong
    """
    frame = sample(read_csv(csv, split), per_source, seed)
    with Steps() as steps:
        found = measure(frame, augmentation, seed, partial(steps, "shortcuts"))
    table = Table("ROC AUC of", *found.columns, title=f"{split}, {len(frame)} images, {augmentation}")
    for name, row in found.iterrows():
        table.add_row(str(name), *(f"{auc:.2f}" for auc in row))
    console.print(table)
