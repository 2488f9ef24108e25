"""The command from a run to the model store: calibrate."""

from pathlib import Path

import click
import torch

from training.batches import Source
from training.cache import Cache
from training.calibrate import certainty_levels, fair_bias, logits, platt
from training.checkpoint import BEST, record_of, restore
from training.cli import VAR, Steps, console, csv_option, main, path_option, store_option
from training.data import read_csv
from training.distributed import join
from training.hyperparameters import HyperParameters
from training.store import save_model
from training.train import Tail


@main.command()
@click.argument("checkpoint", type=click.Path(path_type=Path), default=VAR / "run" / BEST)
@csv_option
@path_option("--cache", VAR / "cache", "Folder of cached features.")
@store_option
@click.option("--version", default="1.0", show_default=True, help="Of the model.")
@click.option(
    "--flip", is_flag=True, help="Judge the mirror image as well: the mean of two, at twice the time."
)
@click.option(
    "--gap",
    type=click.FloatRange(0, 1),
    default=0.025,
    show_default=True,
    help="The most by which the accuracies on real and on fake images may differ, whatever fits best.",
)
@click.option("--workers", default=1, show_default=True, help="Processes that read images.")
def calibrate(
    *,
    checkpoint: Path,
    csv: Path,
    cache: Path,
    store: Path,
    version: str,
    flip: bool,
    gap: float,
    workers: int,
) -> None:
    """Calibrate a checkpoint on the validation split, and put it into the model store.

    \b
    Example:
      python -m training calibrate var/training/layer4/best.ckpt
    """
    detector, saved = restore(checkpoint)
    hp = HyperParameters.from_dict(saved["hyperparameters"])
    detector.flip = flip
    with join() as world, Steps() as steps:
        # A mirrored image has other activations than the image's, mirrored.
        cached = hp.cacheable and not flip
        bf16 = hp.uses_bf16(world.device.type) and cached
        features = Cache(cache, world.device, bf16, workers, progress=steps) if cached else None
        frame = read_csv(csv, "val")
        source = Source(hp, frame, frame, world, features, workers)
        tail = Tail(detector.to(world.device), source.cut, bf16)
        logit, label = logits(tail, source.validating(detector))
    scale, bias = platt(logit, label)
    bias = fair_bias(logit, label, scale, bias, gap)
    levels = certainty_levels(torch.sigmoid(torch.from_numpy(scale * logit + bias)).numpy(), label)
    card = save_model(
        detector,
        store,
        {
            "version": version,
            "flip": flip,
            "calibration": {
                "method": "platt",
                "scale": scale,
                "bias": bias,
                "gap": gap,
            },
            "certainty": levels,
            "metrics": {},
            "training": record_of(saved),
        },
    )
    for level in levels:
        console.print("  ".join(f"{name} {value}" for name, value in level.items()), soft_wrap=True)
    console.print(f"Wrote {store}/deepfake.safetensors ({card['weights_sha256'][:12]}) and model.json")
