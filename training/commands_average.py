"""The command that makes one checkpoint of two: average."""

from pathlib import Path

import click

from training.checkpoint import BEST, average_of
from training.cli import VAR, console, main, path_option

CHECKPOINT = click.Path(path_type=Path)


@main.command()
@click.argument("first", type=CHECKPOINT)
@click.argument("second", type=CHECKPOINT)
@click.option(
    "--share", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Weight of the second one."
)
@path_option("--out", VAR / "average", "Folder of the new checkpoint.")
def average(first: Path, second: Path, share: float, out: Path) -> None:
    """Average the weights of a checkpoint and of one that was trained further from it with --start.

    It is meant to keep what was learnt about hard images, and to lose little on clean ones: evaluate it.

    \b
    Example:
      python -m training average var/training/layer4/best.ckpt var/training/strong/best.ckpt
    """
    average_of(first, second, share, out)
    console.print(f"Wrote {out / BEST}")
