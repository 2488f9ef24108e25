"""The commands on lower precisions: quantize and gate."""

from functools import partial
from pathlib import Path

import click
import pandas as pd
import torch
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader

from handler.precision import TYPES, load, missing
from handler.preprocessing import normalise
from training.cli import Steps, console, csv_option, main, store_option
from training.data import Images, read_csv, sample
from training.gate import ACCURACY_LIMIT, AUC_LIMIT, compare
from training.gate import table as cells
from training.precisions import MODULES, Comparison, write_calibration, write_comparison
from training.quantize import calibrate
from training.scoring import Judge, probabilities
from training.store import StoreError
from training.store import load as load_detector

LOWER = [name for name in MODULES if name != "fp32"]


@main.command()
@csv_option
@store_option
@click.option(
    "--images", default=256, show_default=True, help="How many of the split train, as many of each source."
)
@click.option("--seed", default=0, show_default=True)
def quantize(csv: Path, store: Path, images: int, seed: int) -> None:
    """Measure what 8 bits need; `export` makes the int8 module with that.

    On training images the ranges are measured, and on twice as many of the split val how far they move the
    mean verdict.

    \b
    Example:
      python -m training quantize
    """
    frame = read_csv(csv, "train")
    # Evenly: sharp images have larger activations, and may be few. Mixed: the last batches count for more.
    share = max(1, images // frame.groupby(["label", "source"]).ngroups)
    frame = sample(frame, share, seed).sample(frac=1, random_state=seed).reset_index(drop=True)
    validation = read_csv(csv, "val")
    validation = validation.sample(min(2 * images, len(validation)), random_state=seed, ignore_index=True)
    detector, _ = load_detector(store)
    with Steps() as steps:
        calibration = calibrate(
            detector,
            _normalised(frame),
            _normalised(validation),
            lambda done: steps("quantize", done, len(frame)),
        )
    console.print(f"Wrote {write_calibration(store, calibration, len(frame))}")


def _normalised(frame: pd.DataFrame) -> list[Tensor]:
    return [normalise(batch) for batch, _, _ in DataLoader(Images(frame), batch_size=16)]


@main.command()
@csv_option
@store_option
@click.option("--split", "splits", multiple=True, default=["val", "test"], show_default=True)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(LOWER),
    help="By default those that this machine is fast in.",
)
def gate(csv: Path, store: Path, splits: tuple[str, ...], precisions: tuple[str, ...]) -> None:
    """Measure what each lower precision costs against fp32; `archive` packs those that pass.

    One passes if on every split the area under the ROC curve is within 0.003 and the accuracy within half
    a point.

    \b
    Example:
      python -m training gate
    """
    gpu = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    devices = {name: torch.device("cpu") if name == "int8" else gpu for name in MODULES}
    wanted = precisions or [name for name in LOWER if missing(name, devices[name]) is None]
    frame = pd.concat([read_csv(csv, split) for split in splits], ignore_index=True)
    found = {}
    with Steps() as steps:
        for name in ("fp32", *wanted):
            judge = _judge(store, name, devices[name])
            found[name] = probabilities(judge, frame, devices[name], partial(steps, name))
    for name in wanted:
        comparison = compare(frame, found["fp32"], found[name])
        path = write_comparison(store, name, comparison)
        console.print(_table(name, comparison))
        console.print(
            f"{name} is {'passed' if comparison['passed'] else 'refused'}; the figures are in {path}"
        )


def _judge(store: Path, precision: str, device: torch.device) -> Judge:
    path = store / MODULES[precision]
    if not path.exists():
        raise StoreError(f"{path} is missing: run `python -m training quantize`, and then `export`.")
    module = load(path, precision, device)
    return lambda images: module(images.to(TYPES[precision]))


def _table(precision: str, comparison: Comparison) -> Table:
    header, *rows = cells(comparison)
    table = Table(*header, title=f"fp32 → {precision}")
    for row in rows:
        table.add_row(*row)
    table.caption = f"limits: AUC {AUC_LIMIT}, accuracy {ACCURACY_LIMIT}"
    return table
