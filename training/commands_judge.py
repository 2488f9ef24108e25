"""The commands that judge images: evaluate and predict."""

import json
from functools import partial
from pathlib import Path

import click
import torch
from rich.table import Table

from training import scoring
from training.cli import EVALUATION, Steps, console, csv_option, main, path_option, store_option
from training.data import read_csv, sample
from training.metrics import Metrics
from training.metrics import evaluate as measure_sources
from training.metrics import table as cells
from training.plots import robustness as plot_robustness
from training.plots import save_plots
from training.predict import predict as judge_files
from training.store import STORE
from training.stress import Row, non_faces, robustness


@main.command()
@click.argument("model", type=click.Path(path_type=Path), default=STORE / "deepfake.pt")
@csv_option
@click.option("--split", "splits", multiple=True, default=["val", "test"], show_default=True)
@path_option("--out", EVALUATION, "Folder of the results.")
@click.option("--workers", default=1, show_default=True, help="Processes that read images.")
@click.option(
    "--stress", default=0, help="Also degrade so many images of each source and class, and judge non-faces."
)
def evaluate(
    *, model: Path, csv: Path, splits: tuple[str, ...], out: Path, workers: int, stress: int
) -> None:
    """Measure a model on splits of the CSV: an exported module, an archive, or a run's checkpoint.

    Writes metrics.json, and for each split the probabilities and the plots. They show images of the data
    set: do not publish them.

    \b
    Examples:
      python -m training evaluate
      python -m training evaluate --stress 200
      python -m training evaluate model_store/deepfake.mar --split test/dfdc
      python -m training evaluate var/training/run/best.ckpt --out var/training/evaluation-baseline
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    judge = scoring.load_judge(model, device)
    results: dict[str, Metrics] = {}
    degraded: dict[str, list[Row]] = {}
    for part in splits:
        for split, rows in read_csv(csv, part).groupby("split"):
            with Steps() as steps:
                probability = scoring.probabilities(judge, rows, device, partial(steps, str(split)), workers)
            scored = rows.assign(probability=probability)
            results[str(split)] = measure_sources(scored)
            save_plots(scored, out / str(split))
            scored.to_csv(out / str(split) / "probabilities.csv", index=False)
            console.print(_table(str(split), results[str(split)]))
            if stress:
                with Steps() as steps:
                    degraded[str(split)] = robustness(judge, sample(rows, stress, 0), device, workers, steps)
    summary = {"model": str(model), "sha256": scoring.file_hash(model), "splits": results}
    if stress:
        plot_robustness(degraded).savefig(out / "robustness.png", dpi=120)
        summary |= {"stress": {"robustness": degraded, "non_faces": non_faces(judge, device)}}
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


def _table(split: str, metrics: Metrics) -> Table:
    # A column for each source: a row of a dozen figures would not fit a terminal.
    header, *rows = zip(*cells(metrics), strict=True)
    table = Table(*header, title=split)
    for row in rows:
        table.add_row(*row)
    [fake, real] = metrics["overall"]["confusion"]
    table.caption = f"fake: {fake[0]} found, {fake[1]} missed; real: {real[1]} recognised, {real[0]} accused"
    return table
