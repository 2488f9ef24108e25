"""The commands on the model store: card, export."""

from pathlib import Path

import click

from training.card import write as write_card
from training.cli import EVALUATION, VAR, console, main, path_option, store_option
from training.export import export as export_module
from training.export import export_int8


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
        int8 = export_int8(store)
    console.print(f"Wrote {path} (largest difference from eager mode: {difference:.1e})")
    console.print(
        f"Wrote {int8}" if int8 else "No int8: `python -m training quantize` has not seen these weights"
    )
