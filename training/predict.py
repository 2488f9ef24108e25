"""Verdicts on files and folders from the exported module, as the REST endpoint gives them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from handler.preprocessing import BadImage, decode, normalise, resize
from handler.verdict import verdict
from training.scoring import load_judge
from training.store import NAME, read_card

Answer = dict[str, Any]


def predict(paths: Iterable[Path], store: Path) -> Iterator[Answer]:
    """Yield the verdict on each file, and on each file below a folder, with its name under `file`.

    A file that cannot be judged gives the error that the REST endpoint would answer.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    card, judge = read_card(store), load_judge(store / f"{NAME}.pt", device)
    for path in _files(paths):
        try:
            pixels = resize(decode(path.read_bytes()))
        except BadImage as error:
            yield {"file": str(path), "code": 400, "type": "BadImage", "message": str(error)}
            continue
        with torch.inference_mode():
            [probability] = judge(normalise(torch.from_numpy(pixels)[None].to(device))).tolist()
        yield {"file": str(path)} | verdict(probability, card["certainty"], NAME, card["version"])


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file())
        else:
            yield path
