"""What runs leave for comparison: run.json beside metrics.csv, and the table of several runs."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from training.checkpoint import best_epoch
from training.data import DataError
from training.hyperparameters import HyperParameters

FILE = "run.json"


def write_run(folder: Path, hp: HyperParameters, left_out: dict[str, Any]) -> None:
    """Write run.json: the hyper-parameters, and how the run did on what it left out."""
    run = {"hyperparameters": hp.to_dict(), "left_out": left_out}
    (folder / FILE).write_text(json.dumps(run, indent=2) + "\n")


def comparison(folders: tuple[Path, ...]) -> str:
    """Return a Markdown table of finished runs: what changed from the first one, and what came of it.

    AUCs are of the validation split at each run's best epoch; seconds are those of all its epochs.

    Raises DataError for a folder that holds no finished run.
    """
    runs = {str(folder): _read(folder) for folder in folders}
    sources = sorted({source for run in runs.values() for source in run["val"]})
    first = next(iter(runs.values()))["hyperparameters"]
    header = ["run", "what changed", "best epoch", "val AUC", "mean over sources", *sources]
    header += ["left out: AUC", "seconds"]
    lines = [header, ["---"] * len(header)]
    for name, run in runs.items():
        best = run["best"]
        aucs = [best["val_auc"], best["val_auc_sources"], *(run["val"].get(source) for source in sources)]
        lines.append(
            [
                Path(name).name,
                _changes(first, run["hyperparameters"]),
                f"{best['epoch']:.0f} of {run['hyperparameters']['epochs']}",
                *("" if auc is None else f"{auc:.3f}" for auc in aucs),
                ", ".join(f"{source}: {each['roc_auc']:.3f}" for source, each in run["left_out"].items()),
                f"{run['seconds']:.0f}",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _read(folder: Path) -> dict[str, Any]:
    if not (folder / FILE).exists():
        raise DataError(f"{folder} holds no finished run: `python -m training train` writes its {FILE}.")
    run: dict[str, Any] = json.loads((folder / FILE).read_text())
    records = pd.read_csv(folder / "metrics.csv").to_dict("records")
    history = [{str(name): float(value) for name, value in record.items()} for record in records]
    best = best_epoch(history, run["hyperparameters"]["choose"])
    prefix = "val_auc_"
    val = {name.removeprefix(prefix): auc for name, auc in best.items() if name.startswith(prefix)}
    val.pop("sources")
    return run | {"best": best, "val": val, "seconds": sum(row["seconds"] for row in history)}


def _changes(first: dict[str, Any], other: dict[str, Any]) -> str:
    if other is first:
        return "the first"
    changed = [f"{name} {_show(value)}" for name, value in other.items() if value != first[name]]
    return ", ".join(changed) or "nothing"


def _show(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
