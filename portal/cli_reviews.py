"""The command about disputed verdicts: `flask --app portal reviews export FILE`."""

import shutil
from pathlib import Path

import click
from flask.cli import AppGroup

from portal import audit, dataset
from portal.extensions import db

group = AppGroup("reviews", help="Take the accepted reports along as a data set for training.")


@group.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path) -> None:
    """Write the accepted images to a ZIP FILE; unpacked, `python -m training prepare` reads it."""
    archive, count = dataset.accepted()
    with archive, file.open("wb") as out:
        shutil.copyfileobj(archive, out)
    audit.record("review.export", "data set", f"{count} images")
    db.session.commit()
    click.echo(f"Wrote {file}: {count} images.")
