"""The command group, and what its commands share: paths, progress bars, and errors in one line."""

import warnings
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.data import DataError
from training.export import ParityError
from training.store import STORE, StoreError

VAR = Path("var/training")
EVALUATION = VAR / "evaluation"
console = Console()
log = Console(stderr=True)
F = TypeVar("F", bound=Callable[..., Any])


# A command's module is imported when the command is needed: each brings its own libraries, and training runs
# where those of packaging are not installed.
COMMANDS = {
    "prepare": "prepare",
    "shortcuts": "shortcuts",
    "train": "train",
    "average": "average",
    "compare": "compare",
    "calibrate": "calibrate",
    "quantize": "precision",
    "export": "store",
    "evaluate": "judge",
    "gate": "precision",
    "card": "store",
    "archive": "archive",
    "predict": "judge",
}


class Group(click.Group):
    """Imports commands when needed; turns the package's own errors into one clear line and exit status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order of a model's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None for an unknown name."""
        if cmd_name in COMMANDS:
            import_module(f"training.commands_{COMMANDS[cmd_name]}")
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (DataError, ParityError, StoreError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Group)
def main() -> None:
    """Train, measure, export and package the deepfake detector.

    Steps: prepare, train, calibrate, quantize, export, evaluate, gate, card, archive; shortcuts looks at the
    data, compare tabulates runs, predict judges pictures.
    """
    # TorchScript is the contract with TorchServe; its deprecation is known and accepted.
    warnings.filterwarnings("ignore", "`torch.jit", category=FutureWarning)


class Steps:
    """A progress bar for each name that reports; without a terminal, a line for every tenth of it."""

    def __init__(self, enabled: bool = True) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console, disable=not enabled, transient=True)
        self.logs = enabled and not console.is_terminal
        self.tasks: dict[str, Any] = {}
        self.tenths: dict[str, int] = {}

    def __enter__(self) -> "Steps":
        """Show the bars."""
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bars."""
        self.bar.stop()

    def __call__(self, name: str, done: int, total: int) -> None:
        """Say that `done` of `total` steps of something are done."""
        if name not in self.tasks:
            self.tasks[name] = self.bar.add_task(name)
        self.bar.update(self.tasks[name], completed=done, total=total)
        tenth = 10 * done // max(total, 1)
        if self.logs and tenth > self.tenths.get(name, 0):
            self.tenths[name] = tenth
            log.print(f"{datetime.now():%H:%M:%S}  {name}: {done} of {total}", highlight=False)


def path_option(name: str, default: Path | None, text: str) -> Callable[[F], F]:
    """Return an option that takes a path."""
    return click.option(
        name, type=click.Path(path_type=Path), default=default, show_default=default is not None, help=text
    )


csv_option = path_option("--csv", VAR / "data.csv", "CSV of paths, labels and splits.")
store_option = path_option("--store", STORE, "Folder of the model.")
