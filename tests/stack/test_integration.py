"""docs/integration.md does what it says."""

import json
from pathlib import Path

from tests.stack.conftest import Serving
from tests.stack.documents import Reader, blocks
from tests.support import CHINA


def test_every_example_runs_and_answers_as_written(serving: Serving, tmp_path: Path) -> None:
    reader = Reader(serving, tmp_path, CHINA)
    shell, python = blocks("integration.md", "bash"), blocks("integration.md", "python")
    raw, multipart = shell["A verdict"]
    [explanation] = shell["An explanation"]
    key = raw.splitlines()[0]

    verdict = serving.predict(CHINA.read_bytes()).json()
    assert json.loads(reader.bash(raw)) == verdict
    assert json.loads(reader.bash(key, multipart)) == verdict
    assert "heatmap" in json.loads(reader.bash(key, explanation))
    [printed] = blocks("integration.md", "json")["A verdict"]
    assert json.loads(printed).keys() == verdict.keys()

    [example] = python["From Python"]
    assert f"{verdict['label']}, with {verdict['certainty']} certainty" in reader.python(example)
    (tmp_path / "photo.jpg").unlink()
    (tmp_path / "photo.jpg").write_bytes(b"no image")
    assert reader.python(example).startswith("BadImage: ")
