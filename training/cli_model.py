"""The commands from a trained checkpoint to the archive that TorchServe loads."""

import json
from functools import partial
from pathlib import Path

import click
import torch
from rich.table import Table

from training import scoring
from training.archive import archive as build_archive
from training.batches import Source
from training.cache import Cache
from training.calibrate import certainty_levels, logits, platt
from training.card import write as write_card
from training.checkpoint import BEST, restore
from training.cli import VAR, Steps, console, csv_option, main, path_option
from training.data import read_csv
from training.distributed import join
from training.export import export as export_module
from training.hyperparameters import HyperParameters
from training.metrics import Metrics
from training.metrics import evaluate as measure_sources
from training.metrics import table as cells
from training.plots import save_plots
from training.predict import predict as judge_files
from training.store import STORE, save_model
from training.train import Tail

store_option = path_option("--store", STORE, "Folder of the model.")
EVALUATION = VAR / "evaluation"


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
        console.print("  ".join(f"{name} {value}" for name, value in level.items()))
    console.print(f"Wrote {store}/deepfake.safetensors ({card['weights_sha256'][:12]}) and model.json")


@main.command()
@click.argument("model", type=click.Path(path_type=Path), default=STORE / "deepfake.pt")
@csv_option
@click.option("--split", "splits", multiple=True, default=["val", "test"], show_default=True)
@path_option("--out", EVALUATION, "Folder of the results.")
@click.option("--workers", default=1, show_default=True, help="Processes that read images.")
def evaluate(model: Path, csv: Path, splits: tuple[str, ...], out: Path, workers: int) -> None:
    """Measure a model on splits of the CSV: an exported module, an archive, or a run's checkpoint.

    Writes metrics.json, and for each split the probabilities and the plots. They show images of the data
    set: do not publish them.

    \b
    Examples:
      python -m training evaluate
      python -m training evaluate model_store/deepfake.mar --split test/dfdc
      python -m training evaluate var/training/run/best.ckpt --out var/training/evaluation-baseline
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    judge = scoring.load_judge(model, device)
    results: dict[str, Metrics] = {}
    for part in splits:
        for split, rows in read_csv(csv, part).groupby("split"):
            with Steps() as steps:
                probability = scoring.probabilities(judge, rows, device, partial(steps, str(split)), workers)
            scored = rows.assign(probability=probability)
            results[str(split)] = measure_sources(scored)
            save_plots(scored, out / str(split))
            scored.to_csv(out / str(split) / "probabilities.csv", index=False)
            console.print(_table(str(split), results[str(split)]))
    summary = {"model": str(model), "sha256": scoring.file_hash(model), "splits": results}
    (out / "metrics.json").write_text(json.dumps(summary, indent=2) + "\n")
    console.print(f"Wrote {out}/metrics.json, and the plots of each split beside it")


@main.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of the REST endpoint's answers.")
@click.pass_context
def predict(context: click.Context, images: tuple[Path, ...], store: Path, as_json: bool) -> None:
    """Judge pictures, or all files of folders; exits with 1 if any of them cannot be judged.

    \b
    Examples:
      python -m training predict portrait.jpg
      python -m training predict ~/pictures --json
    """
    answers = list(judge_files(images, store))
    if as_json:
        click.echo(json.dumps(answers, indent=2))
    else:
        table = Table("file", "label", "probability of real", "confidence", "certainty")
        for answer in answers:
            if "label" in answer:
                figures = (f"{answer['probability_real']:.4f}", f"{answer['confidence']:.4f}")
                table.add_row(answer["file"], answer["label"], *figures, answer["certainty"])
            else:
                table.add_row(answer["file"], answer["message"])
        console.print(table)
    context.exit(0 if all("label" in answer for answer in answers) else 1)


@main.command()
@store_option
@path_option("--evaluation", EVALUATION, "Folder that `evaluate` wrote for the exported module.")
@path_option("--csv", VAR / "data.csv", "CSV that the model was trained and measured on.")
def card(store: Path, evaluation: Path, csv: Path) -> None:
    """Write the evaluation's figures into model.json, and MODEL_CARD.md from both.

    \b
    Example:
      python -m training card
    """
    console.print(
        f"Wrote {write_card(store, evaluation / 'metrics.json', csv)} and the metrics of model.json"
    )


@main.command()
@store_option
@click.option(
    "--images", multiple=True, type=click.Path(exists=True, path_type=Path), help="For the parity check."
)
def export(store: Path, images: tuple[Path, ...]) -> None:
    """Write the stored model as TorchScript, after checking that both compute the same.

    \b
    Examples:
      python -m training export
      python -m training export --images portrait.jpg --images crowd.png
    """
    with console.status("Scripting and comparing with eager mode"):
        path, difference = export_module(store, images)
    console.print(f"Wrote {path} (largest difference from eager mode: {difference:.1e})")


@main.command()
@store_option
def archive(store: Path) -> None:
    """Pack the exported module and the handler into the archive that TorchServe loads.

    \b
    Example:
      python -m training archive
    """
    path = build_archive(store)
    console.print(f"Wrote {path} ({path.stat().st_size / 1e6:.0f} MB)")


def _table(split: str, metrics: Metrics) -> Table:
    header, *rows = cells(metrics)
    table = Table(*header, title=split)
    for row in rows:
        table.add_row(*row)
    [fake, real] = metrics["overall"]["confusion"]
    table.caption = f"fake: {fake[0]} found, {fake[1]} missed; real: {real[1]} recognised, {real[0]} accused"
    return table
