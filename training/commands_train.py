"""The command that trains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
import pandas as pd
import torch

from handler.preprocessing import IMAGE_SIZE
from training.batches import Source
from training.cache import Cache
from training.checkpoint import BEST, Record, record_of, restore
from training.cli import VAR, F, Steps, console, csv_option, main, path_option
from training.data import leave_out, read_csv, rows_of, sample
from training.distributed import join
from training.history import write_history
from training.hyperparameters import (
    Augmentation,
    Balance,
    Choice,
    HyperParameters,
    Precision,
    Schedule,
    Unfreeze,
)
from training.left_out import judge_left_out
from training.model import Detector, imagenet_backbone
from training.runs import write_run
from training.self_made import add_fakes
from training.store import load_uncalibrated
from training.train import fit

SHARE = click.FloatRange(0, 1)
# Images of each source and class that was left out, to be judged in the end: an AUC of so many is known to
# about 0.01 (Hanley and McNeil, Radiology 143, 1982), and a large source would take as long as an epoch.
LEFT_OUT = 1000


def _option(name: str, text: str, choices: Any = None, **settings: Any) -> Callable[[F], F]:
    default = getattr(HyperParameters, name)
    if choices is not None:
        settings["type"] = click.Choice(get_args(choices))
    return click.option(
        f"--{name.replace('_', '-')}", default=default, show_default=True, help=text, **settings
    )


@main.command()
@csv_option
@path_option("--out", VAR / "run", "Folder of checkpoints and metrics.")
@path_option("--backbone", None, "Local ResNet50 state dict instead of torchvision's weights.")
@path_option("--cache", VAR / "cache", "Folder of cached features.")
@click.option("--no-cache", is_flag=True, help="Send every image through the whole network in every epoch.")
@click.option("--resume", is_flag=True, help="Continue the run where it stopped.")
@click.option("--workers", default=1, show_default=True, help="Processes that read and augment images.")
@_option("start", "Checkpoint or model store to train further instead of ImageNet's weights.", metavar="PATH")
@_option("unfreeze", "The first stage that is trained besides the head.", Unfreeze)
@_option("epochs", "Passes over the training images.")
@_option("batch_size", "Images in a step of each process.")
@_option("learning_rate", "Of the head.")
@_option("layer_decay", "Learning rate of a stage over that of the next one.", type=SHARE)
@_option("weight_decay", "Of AdamW; without any it is Adam.")
@_option("schedule", "Of the learning rate: falls with the loss, or over all epochs.", Schedule)
@_option("warmup", "Epochs of warm-up before the cosine.")
@_option("ema", "Decay of the averaged weights; 0 averages none.", type=SHARE)
@_option("label_smoothing", "Distance of the targets from 0 and 1, doubled.", type=SHARE)
@_option("teacher", "Train towards these probabilities as well, which `evaluate` writes.", metavar="CSV")
@_option("teacher_share", "What they count for, of 1; the label counts for the rest.", type=SHARE)
@_option("augmentation", "Changes to training images.", Augmentation)
@_option("crop", "Train on random squares of so many pixels.", type=click.IntRange(32, IMAGE_SIZE))
@_option("synthetic_fakes", "Share of a batch: real images paired with fakes made of them.", type=SHARE)
@_option("balance", "Draw sources by their size, its root, or evenly.", Balance)
@_option("leave_out", "Train without this source, and test on it (repeatable).", multiple=True)
@_option("views", "Cached augmentations of each image.")
@_option("per_source", "At most so many training images of each source and class.", type=int)
@_option("choose", "Best epoch: by validation loss, or by AUC averaged over sources.", Choice)
@_option("precision", "Of the backbone.", Precision)
@_option("quantization_aware", "Round in the backbone as the int8 module does.", is_flag=True)
@_option("seed", "Of initialisation, shuffling and augmentation.")
def train(
    *,
    csv: Path,
    out: Path,
    backbone: Path | None,
    cache: Path,
    no_cache: bool,
    resume: bool,
    workers: int,
    **values: Any,
) -> None:
    """Train a detector on the CSV's images; the defaults are the published recipe.

    Under torchrun several processes train together, on one GPU each or on the CPU.

    \b
    Examples:
      python -m training train
      python -m training train --unfreeze layer4 --epochs 5 --out var/training/layer4
      python -m training train --unfreeze all --augmentation strong --synthetic-fakes 0.5 --workers 16
      python -m training train --start model_store --unfreeze all --out var/training/further
      python -m training train --leave-out sd21 --out var/training/without-sd21
      torchrun --nproc-per-node 2 -m training train
    """
    hp = HyperParameters(**values)
    rows, validation = sample(read_csv(csv, "train"), hp.per_source, hp.seed), read_csv(csv, "val")
    kept, left = leave_out(pd.concat([rows, validation], ignore_index=True), hp.leave_out)
    with join() as world, Steps(world.leads) as steps:
        bf16 = hp.uses_bf16(world.device.type)
        torch.manual_seed(hp.seed)
        detector, earlier = _begin(hp, backbone)
        features = Cache(cache, world.device, bf16, workers, progress=steps)
        source = Source(
            hp,
            add_fakes(rows) if hp.synthetic_fakes else rows,
            validation,
            world,
            features if hp.cacheable and not no_cache else None,
            workers,
        )

        def report(history: list[dict[str, float]]) -> None:
            write_history(history, out)
            console.print(
                "  ".join(f"{name} {value:.4g}" for name, value in history[-1].items()), soft_wrap=True
            )

        fit(detector, source, out, earlier=earlier, resume=resume, bf16=bf16, progress=steps, report=report)
        if world.leads:
            best = restore(out / BEST)[0].to(world.device)
            judged = judge_left_out(
                best,
                left_out=sample(left, LEFT_OUT, hp.seed),
                validation=rows_of(kept, "val"),
                device=world.device,
                workers=workers,
                progress=steps,
            )
            write_run(out, hp, judged)
            for name, figures in judged.items():
                console.print(f"left out: {name}", *(f"{key} {value:.4g}" for key, value in figures.items()))
            console.print(f"Wrote {out}/best.ckpt, last.ckpt, metrics.csv, history.png and run.json")


def _begin(hp: HyperParameters, backbone: Path | None) -> tuple[Detector, list[Record]]:
    """Return the detector that is trained, and how it was trained before."""
    if hp.start is None:
        return Detector(imagenet_backbone(backbone), hp.head_widths, hp.dropout), []
    if backbone is not None:
        raise click.UsageError("--start brings its own backbone: leave out --backbone.")
    start = Path(hp.start)
    if start.is_dir():
        detector, card = load_uncalibrated(start, hp.dropout)
        record = dict(card["training"])
    else:
        detector, saved = restore(start)
        record = record_of(saved)
    return detector, [*record.pop("earlier", []), record]
