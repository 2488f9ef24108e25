"""The command group: options in, one call into the package, and a line on what was written."""

import warnings
from pathlib import Path

import click
from rich.console import Console

from training.archive import archive as build_archive
from training.export import ParityError
from training.export import export as export_module
from training.store import STORE, StoreError

console = Console()
store_option = click.option(
    "--store", type=click.Path(path_type=Path), default=STORE, show_default=True, help="Folder of the model."
)


class Group(click.Group):
    """Turns the package's own errors into one clear line and exit status 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (ParityError, StoreError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Group)
def main() -> None:
    """Train, measure, export and package the deepfake detector."""
    # TorchScript is the contract with TorchServe; its deprecation is known and accepted.
    warnings.filterwarnings("ignore", "`torch.jit", category=FutureWarning)


@main.command()
@store_option
@click.option(
    "--images",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="For the parity check.",
)
def export(store: Path, images: tuple[Path, ...]) -> None:
    """Write the stored model as TorchScript, after checking that both compute the same.

    \b
    Example:
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
