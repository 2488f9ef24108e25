"""The commands from a data folder to a calibrated model: prepare, train, calibrate."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from rich.table import Table

from training.batches import Source
from training.cache import Cache
from training.calibrate import certainty_levels, logits, platt
from training.checkpoint import BEST, restore
from training.cli import VAR, F, Steps, console, csv_option, main, path_option, store_option
from training.data import read_csv, sample
from training.distributed import join
from training.history import write_history
from training.hyperparameters import HyperParameters
from training.model import Detector, imagenet_backbone
from training.prepare import prepare as prepare_frame
from training.store import save_model
from training.train import Tail, fit


def _option(name: str, text: str, **settings: Any) -> Callable[[F], F]:
    default = getattr(HyperParameters, name)
    return click.option(
        f"--{name.replace('_', '-')}", default=default, show_default=True, help=text, **settings
    )


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


@main.command()
@csv_option
@path_option("--out", VAR / "run", "Folder of checkpoints and metrics.")
@path_option("--backbone", None, "Local ResNet50 state dict instead of torchvision's weights.")
@path_option("--cache", VAR / "cache", "Folder of cached features.")
@click.option("--no-cache", is_flag=True, help="Send every image through the whole network in every epoch.")
@click.option("--resume", is_flag=True, help="Continue the run where it stopped.")
@click.option("--workers", default=1, show_default=True, help="Processes that read and augment images.")
@_option("unfreeze", "What is trained besides the head.", type=click.Choice(["none", "layer4"]))
@_option("epochs", "Passes over the training images.")
@_option("batch_size", "Images in a step of each process.")
@_option("learning_rate", "Of Adam.")
@_option("augmentation", "Changes to training images.", type=click.Choice(["none", "recipe", "robust"]))
@_option("views", "Cached augmentations of each image.")
@_option("per_source", "At most so many training images of each source and class.", type=int)
@_option("precision", "Of the backbone.", type=click.Choice(["auto", "bf16", "fp32"]))
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
      torchrun --nproc-per-node 2 -m training train
    """
    hp = HyperParameters(**values)
    with join() as world, Steps(world.leads) as steps:
        bf16 = hp.uses_bf16(world.device.type)
        torch.manual_seed(hp.seed)
        detector = Detector(imagenet_backbone(backbone), hp.head_widths, hp.dropout)
        features = None if no_cache else Cache(cache, world.device, bf16, workers, progress=steps)
        rows = sample(read_csv(csv, "train"), hp.per_source, hp.seed)
        source = Source(hp, rows, read_csv(csv, "val"), world, features, workers)

        def report(history: list[dict[str, float]]) -> None:
            write_history(history, out)
            console.print(
                "  ".join(f"{name} {value:.4g}" for name, value in history[-1].items()), soft_wrap=True
            )

        fit(detector, source, out, resume=resume, bf16=bf16, progress=steps, report=report)
    if world.leads:
        console.print(f"Wrote {out}/best.ckpt, last.ckpt, metrics.csv and history.png")


@main.command()
@click.argument("checkpoint", type=click.Path(path_type=Path), default=VAR / "run" / BEST)
@csv_option
@path_option("--cache", VAR / "cache", "Folder of cached features.")
@store_option
@click.option("--version", default="1.0", show_default=True, help="Of the model.")
def calibrate(checkpoint: Path, csv: Path, cache: Path, store: Path, version: str) -> None:
    """Calibrate a checkpoint on the validation split, and put it into the model store.

    \b
    Example:
      python -m training calibrate var/training/layer4/best.ckpt
    """
    detector, saved = restore(checkpoint)
    hp = HyperParameters.from_dict(saved["hyperparameters"])
    with join() as world, Steps() as steps:
        bf16 = hp.uses_bf16(world.device.type)
        frame = read_csv(csv, "val")
        source = Source(hp, frame, frame, world, Cache(cache, world.device, bf16, workers=1, progress=steps))
        tail = Tail(detector.to(world.device), source.cut, bf16)
        logit, label = logits(tail, source.validating(detector))
    scale, bias = platt(logit, label)
    levels = certainty_levels(torch.sigmoid(torch.from_numpy(scale * logit + bias)).numpy(), label)
    card = save_model(
        detector,
        store,
        {
            "version": version,
            "calibration": {"method": "platt", "scale": scale, "bias": bias},
            "certainty": levels,
            "metrics": {},
            "training": saved["hyperparameters"] | {"history": saved["history"]},
        },
    )
    for level in levels:
        console.print("  ".join(f"{name} {value}" for name, value in level.items()), soft_wrap=True)
    console.print(f"Wrote {store}/deepfake.safetensors ({card['weights_sha256'][:12]}) and model.json")
