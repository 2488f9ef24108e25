"""One image, one probability: in training, in the archive by itself, and on the running server."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.stack.conftest import Serving
from tests.support import CHINA, FLOWER, ROOT

# Run with nothing of the repository on the path: what is judged here is what the archive holds.
IN_THE_ARCHIVE = """
import json, sys
from pathlib import Path
from ts.context import Context, RequestProcessor
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
import ts, yaml

sys.path.insert(0, ".")
from deepfake_handler import DeepfakeHandler

manifest = json.loads(Path("MAR-INF/MANIFEST.json").read_text())
metrics = MetricsCacheYamlImpl(str(Path(ts.__file__).parent / "configs/metrics.yaml"))
metrics.initialize_cache()
config = yaml.safe_load(Path("model-config.yaml").read_text())
config["handler"]["precision"] = sys.argv[1]
context = Context("deepfake", ".", manifest, 1, None, "0", True, metrics, config)
handler = DeepfakeHandler()
handler.initialize(context)
images = [{"body": Path(path).read_bytes()} for path in sys.argv[2:]]
context.request_processor = [RequestProcessor({}) for _ in images]
print(json.dumps(handler.handle(images, context)))
"""


# What 8 bits move a probability by on photographs like these, and room for other processors.
INT8_TOLERANCE = 0.1


def in_the_archive(archive: Path, folder: Path, precision: str, images: list[Path]) -> list[float]:
    with zipfile.ZipFile(archive) as contents:
        contents.extractall(folder)
    command = [sys.executable, "-I", "-c", IN_THE_ARCHIVE, precision, *images]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return [answer["probability_real"] for answer in json.loads(run.stdout.splitlines()[-1])]


def in_training(store: Path, images: list[Path]) -> list[float]:
    command = [sys.executable, "-m", "training", "predict", "--store", store, "--json", *images]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [answer["probability_real"] for answer in json.loads(run.stdout)]


def test_training_archive_and_server_agree(model_store: Path, serving: Serving, tmp_path: Path) -> None:
    images = [CHINA, FLOWER]
    trained = in_training(model_store, images)
    archived = in_the_archive(model_store / "deepfake.mar", tmp_path, "fp32", images)
    assert archived == pytest.approx(trained, abs=1e-4)
    assert trained[0] != pytest.approx(trained[1], abs=INT8_TOLERANCE)
    described = serving.manage("GET", "/models/deepfake?customized=true").json()[0]["customizedMetadata"]
    precise = described["precision"] == "fp32"
    served = [serving.predict(image.read_bytes()).json()["probability_real"] for image in images]
    assert served == pytest.approx(trained, abs=1e-4 if precise else INT8_TOLERANCE)
    automatic = in_the_archive(model_store / "deepfake.mar", tmp_path, "auto", images)
    assert served == pytest.approx(automatic, abs=1e-4)
