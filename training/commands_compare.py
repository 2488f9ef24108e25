"""The command that sets runs side by side: compare."""

from pathlib import Path

import click

from training.cli import main
from training.runs import comparison


@main.command()
@click.argument(
    "runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
def compare(runs: tuple[Path, ...]) -> None:
    """Print a Markdown table of runs: what changed from the first, validation AUCs, what was left out, time.

    \b
    Example:
      python -m training compare var/training/run var/training/layer4
    """
    click.echo(comparison(runs))
