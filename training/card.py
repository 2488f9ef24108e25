"""The model card: what the model is, what it was measured to do, and what it must not be used for."""

import json
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from training import gate
from training.checkpoint import Record
from training.metrics import table
from training.precisions import Comparison, read_comparisons
from training.store import NAME, StoreError, read_card, write_card

Splits = dict[str, dict[str, Any]]
ACCEPTABLE = 0.8  # an accuracy below it, on one class of a source, is a known failure
NOT_MEASURED = "Not measured: `python -m training evaluate --stress 200` does."
TEMPLATE = Path(__file__).parent / "model_card.md"


def write(store: Path, evaluation: Path, csv: Path) -> Path:
    """Put an evaluation into model.json, write MODEL_CARD.md and return its path.

    Raises StoreError if the evaluation is missing, or is of another module than the stored one.
    """
    if not evaluation.exists():
        raise StoreError(f"{evaluation} is missing: `python -m training evaluate` writes it.")
    measured = json.loads(evaluation.read_text())
    if measured["model"] != str(store / f"{NAME}.pt"):
        raise StoreError(f"{evaluation} is of {measured['model']}, not of {store}/{NAME}.pt.")
    card = read_card(store) | {"metrics": measured["splits"], "stress": measured.get("stress")}
    write_card(card, store)
    path = store / "MODEL_CARD.md"
    path.write_text(render(card, pd.read_csv(csv), read_comparisons(store)))
    return path


def render(card: dict[str, Any], data: pd.DataFrame, compared: dict[str, Comparison]) -> str:
    """Return the card's text for a model.json, the CSV of its data, and what lower precisions cost."""
    runs = [*card["training"].get("earlier", []), card["training"]]
    counts = data.groupby(["split", "source"])["label"].agg(["size", "sum"])
    return Template(TEMPLATE.read_text()).substitute(
        version=card["version"],
        sha256=card["weights_sha256"],
        scale=f"{card['calibration']['scale']:.4f}",
        bias=f"{card['calibration']['bias']:.4f}",
        gap=f"{100 * card['calibration']['gap']:g}",
        recipe=_recipe(runs),
        history=_history(runs),
        data=_rows(
            (*index, size - real, real)
            for index, (size, real) in zip(counts.index, counts.to_numpy(), strict=True)
        ),
        certainty=_rows(
            (
                level["name"],
                level["confidence_from"],
                "n/a" if level["observed_error"] is None else f"{level['observed_error']:.1%}",
                f"{level['share_of_images']:.0%}",
            )
            for level in card["certainty"]
        ),
        metrics="\n\n".join(f"### {split}\n\n{_table(each)}" for split, each in card["metrics"].items()),
        precisions=_precisions(compared),
        failures=_failures(card["metrics"]),
        abstention=_abstention(card["metrics"]),
        robustness=_robustness(card["stress"]),
        non_faces=_non_faces(card["stress"]),
    )


def _recipe(runs: list[Record]) -> str:
    names = [name for name in runs[-1] if name not in {"history", "earlier"}]
    header = ["hyper-parameter", *(f"run {number}" for number in range(1, len(runs) + 1))]
    return _headed(header, [[name, *(_setting(run.get(name)) for run in runs)] for name in names])


def _history(runs: list[Record]) -> str:
    figures = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_auc", "val_auc_sources")
    header = ["run", "epoch", "training loss", "accuracy", "validation loss", "accuracy"]
    header += ["ROC AUC", "averaged over sources"]
    rows = [
        [number, f"{epoch['epoch']:.0f}", *(_number(epoch.get(name), ".4f") for name in figures)]
        for number, run in enumerate(runs, start=1)
        for epoch in run["history"]
    ]
    return _headed(header, rows)


def _precisions(compared: dict[str, Comparison]) -> str:
    found = []
    for precision, comparison in compared.items():
        verdict = "may be served" if comparison["passed"] else "refused"
        header, *rows = gate.table(comparison)
        found.append(f"`{precision}`, {verdict}:\n\n{_headed(header, rows)}")
    return "\n\n".join(found) or "Compared with none: it is served as trained."


def _setting(value: Any) -> str:
    return (
        ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
    )


def _failures(metrics: Splits) -> str:
    found = [
        f"- `{split}`, source `{source}`: {1 - accuracy:.0%} of {values['images'][kind]} {kind} images are"
        f" called {'fake' if kind == 'real' else 'real'}."
        for split, measured in metrics.items()
        for source, values in measured["sources"].items()
        for kind in ("real", "fake")
        if (accuracy := values[f"accuracy_{kind}"]) is not None and accuracy < ACCEPTABLE
    ]
    return "\n".join(found) or f"No source above has an accuracy below {ACCEPTABLE:.0%} on a class."


def _abstention(metrics: Splits) -> str:
    splits = list(metrics)
    header = ["share of images judged", *(f"{split}: error (confidence from)" for split in splits)]
    rows = [
        [
            f"{levels[0]['coverage']:.0%}",
            *(f"{level['error']:.1%} ({level['confidence_from']:.2f})" for level in levels),
        ]
        for levels in zip(*(metrics[split]["abstention"] for split in splits), strict=True)
    ]
    return _headed(header, rows)


def _robustness(stress: dict[str, Any] | None) -> str:
    if stress is None:
        return NOT_MEASURED
    splits: dict[str, list[dict[str, Any]]] = stress["robustness"]
    rows = [
        [each[0]["change"], *(_loss(row) for row in each), _number(each[0].get("bar"), ".2f")]
        for each in zip(*splits.values(), strict=True)
    ]
    counts = {split: sum(unchanged["images"].values()) for split, [unchanged, *_] in splits.items()}
    measured = (f"{split}, {count} images: AUC (loss)" for split, count in counts.items())
    return _headed(["change", *measured, "largest loss wanted"], rows)


def _loss(row: dict[str, Any]) -> str:
    loss = row.get("loss")
    return _number(row["roc_auc"], ".3f") + ("" if loss is None else f" ({loss:+.3f})")


def _non_faces(stress: dict[str, Any] | None) -> str:
    if stress is None:
        return NOT_MEASURED
    rows = [
        [
            row["kind"],
            row["images"],
            f"{row['called_real']:.0%}",
            f"{row['least_probability_real']:.2f} to {row['largest_probability_real']:.2f}",
        ]
        for row in stress["non_faces"]
    ]
    return _headed(["picture", "images", "called real", "probability of real"], rows)


def _number(value: float | None, kind: str) -> str:
    return "n/a" if value is None else format(value, kind)


def _headed(header: list[str], rows: list[list[Any]]) -> str:
    return _rows([header, ["---"] * len(header), *rows])


def _table(metrics: dict[str, Any]) -> str:
    header, *rows = table(metrics)
    return _headed(header, rows)


def _rows(rows: Any) -> str:
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)
