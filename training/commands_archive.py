"""The command that packs what TorchServe loads: archive."""

from pathlib import Path

from training.archive import archive as build_archive
from training.cli import console, main, store_option
from training.precisions import passed


@main.command()
@store_option
def archive(store: Path) -> None:
    """Pack the exported module and the handler into the archive that TorchServe loads.

    \b
    Example:
      python -m training archive
    """
    path = build_archive(store)
    precisions = ", ".join(["fp32", *passed(store)])
    console.print(f"Wrote {path} ({path.stat().st_size / 1e6:.0f} MB; {precisions})")
