"""The command from a data folder to the CSV that all others read: prepare."""

from pathlib import Path

import click
from rich.table import Table

from training.cli import Steps, console, csv_option, main
from training.prepare import prepare as prepare_frame


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@csv_option
@click.option("--seed", default=0, show_default=True, help="Of the shuffling, where the folder is not split.")
def prepare(folder: Path, csv: Path, seed: int) -> None:
    """Write the CSV of a data folder with one sub-folder per class (real, fake).

    \b
    Examples:
      python -m training prepare ../shared/data/faces
      python -m training prepare ~/faces --csv var/training/mine.csv --seed 7
    """
    with Steps() as steps:
        frame, dropped = prepare_frame(folder, seed, steps)
    csv.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(csv, index=False)
    table = Table("split", "source", "fake", "real")
    counts = frame.groupby(["split", "source"])["label"].agg(["size", "sum"])
    for (split, source), (size, real) in zip(counts.index, counts.to_numpy(), strict=True):
        table.add_row(split, source, str(size - real), str(real))
    console.print(table)
    console.print(f"Wrote {csv} ({len(frame)} images)")
    if len(dropped):
        report = csv.with_suffix(".dropped.csv")
        dropped.to_csv(report, index=False)
        console.print(f"Dropped {len(dropped)} unreadable files; {report} names each with its reason")
