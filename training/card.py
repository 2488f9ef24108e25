"""The model card: what the model is, what it was measured to do, and what it must not be used for."""

import json
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from training.metrics import table
from training.store import NAME, StoreError, read_card, write_card

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
    card = read_card(store) | {"metrics": measured["splits"]}
    write_card(card, store)
    path = store / "MODEL_CARD.md"
    path.write_text(render(card, pd.read_csv(csv)))
    return path


def render(card: dict[str, Any], data: pd.DataFrame) -> str:
    """Return the card's text for a model.json and the CSV of its data."""
    training = card["training"]
    counts = data.groupby(["split", "source"])["label"].agg(["size", "sum"])
    return Template(TEMPLATE.read_text()).substitute(
        version=card["version"],
        sha256=card["weights_sha256"],
        scale=f"{card['calibration']['scale']:.4f}",
        bias=f"{card['calibration']['bias']:.4f}",
        recipe=_rows((name, value) for name, value in training.items() if name != "history"),
        history=_rows(
            (
                f"{row['epoch']:.0f}",
                *(
                    f"{row[name]:.4f}"
                    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
                ),
            )
            for row in training["history"]
        ),
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
    )


def _table(metrics: dict[str, Any]) -> str:
    header, *rows = table(metrics)
    return _rows([header, ["---"] * len(header), *rows])


def _rows(rows: Any) -> str:
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)
