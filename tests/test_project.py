"""What holds for the project as a whole: who imports whom, and that files which name each other agree."""

import ast
import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from deploy.preflight import properties
from portal.config import Settings
from tests.support import ROOT

PACKAGES = {"handler", "training", "portal", "benchmarks", "deploy", "tests"}
# Packages of this project, and others that a part must keep away from.
MAY_IMPORT = {
    "handler": {"handler"},
    "training": {"training", "handler"},
    "portal": {"portal"},
    "benchmarks": {"benchmarks", "portal", "handler", "training"},
}
MUST_NOT_IMPORT = {"portal": {"torch", "torchvision", "cv2", "ts"}, "training": {"flask"}}
HANDLER_IMPORTS = {"numpy", "cv2", "torch", "handler", *sys.stdlib_module_names}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return the top-level names of all modules that a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module if node.level == 0 else path.relative_to(ROOT).parts[0])
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package: str) -> None:
    assert sources(package)
    forbidden = PACKAGES - MAY_IMPORT[package] | MUST_NOT_IMPORT.get(package, set())
    wrong = {str(path.relative_to(ROOT)): imports(path) & forbidden for path in sources(package)}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_training_takes_only_what_it_shares_with_serving_from_the_handler() -> None:
    taken = set()
    for path in sources("training"):
        taken |= set(re.findall(r"^from (handler\.\w+) import", path.read_text(), flags=re.MULTILINE))
    assert taken <= {"handler.preprocessing", "handler.verdict", "handler.precision", "handler.faces"}


def test_handler_needs_nothing_but_what_serving_installs() -> None:
    wrong = {path.name: imports(path) - HANDLER_IMPORTS for path in sources("handler")}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_handler_does_not_load_opencv_before_its_limit_is_set() -> None:
    assert imports(ROOT / "handler/__init__.py") == {"os"}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    binary = {".png", ".jpg", ".webp", ".ico", ".woff2", ".safetensors", ".mo"}
    return [
        (str(path.relative_to(ROOT)), path.read_text()) for path in tracked() if path.suffix not in binary
    ]


def test_no_path_of_one_machine_is_written_down() -> None:
    machine = re.compile(r"(?<![\w.])/(?:home/\w|Users/\w|root/|work/)")
    found = [(name, match.group()) for name, text in texts() for match in machine.finditer(text)]
    assert [each for each in found if each[0] != "tests/test_project.py"] == []


def test_no_data_or_foreign_weights_are_committed() -> None:
    names = [path.relative_to(ROOT) for path in tracked()]
    weights = [
        str(name) for name in names if name.suffix in {".pt", ".pth", ".mar", ".safetensors", ".gz", ".onnx"}
    ]
    # The mean inputs of the convolutions, a hundred kilobytes, and the weights.
    assert weights == ["model_store/deepfake.int8.safetensors", "model_store/deepfake.safetensors"]
    pictures = [str(name) for name in names if name.suffix in {".jpg", ".jpeg", ".webp", ".mp4"}]
    assert [name for name in pictures if not name.startswith("docs/")] == []


def test_lower_precisions_were_measured_with_the_stored_weights() -> None:
    store = ROOT / "model_store"
    known, card = (json.loads((store / name).read_text()) for name in ("precisions.json", "model.json"))
    assert known["weights_sha256"] == card["weights_sha256"], "run `quantize`, `export` and `gate` again"


def test_every_setting_is_in_the_example_and_the_example_has_no_others() -> None:
    text = (ROOT / ".env.example").read_text()
    listed = set(re.findall(r"^#([A-Z_]+)=", text, flags=re.MULTILINE))
    settings = {field.name.upper() for field in fields(Settings)}
    assert settings - listed == set()
    known = {"TS_" + name.upper() for name in properties(ROOT / "config.properties")}
    processes = {"BIND", "PORT", "TORCHSERVE_CONSOLE_LEVEL", "OPENCV_IO_MAX_IMAGE_PIXELS"}
    assert listed - settings - known - processes == set()


def test_the_example_gives_the_defaults() -> None:
    example = dict(re.findall(r"^#([A-Z_]+)=(.+)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    written = {name: value for name, value in example.items() if hasattr(Settings, name.lower())}
    environment = {name: value.replace("var/", f"{ROOT}/var/") for name, value in written.items()}
    assert Settings.from_environment(environment) == Settings()
    torchserve = properties(ROOT / "config.properties")
    for name, value in example.items():
        if name.startswith("TS_"):
            assert torchserve[name.removeprefix("TS_").lower()] == value


def test_limits_of_portal_and_torchserve_are_the_same() -> None:
    package = (ROOT / "handler/__init__.py").read_text()
    [pixels] = re.findall(r"^MAX_IMAGE_PIXELS = ([\d_]+)$", package, flags=re.MULTILINE)
    assert int(properties(ROOT / "config.properties")["max_request_size"]) == Settings().max_upload_bytes
    assert int(pixels) == Settings().max_image_pixels


def run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_file_follows_its_specification() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    run([sys.executable, "-m", "check_jsonschema", *schema, "docker-compose.yml"])


def test_compose_file_publishes_neither_management_nor_database() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {
        "portal": ["${BIND:-127.0.0.1}:${PORT:-8000}:8000"],
        "torchserve": ["127.0.0.1:8080:8080"],
        "torchserve-gpu": ["127.0.0.1:8080:8080"],
    }


def test_compose_file_sets_only_what_the_portal_reads() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    names = {name for each in ("portal", "worker", "migrate") for name in services[each]["environment"]}
    assert {name.removesuffix("_FILE") for name in names if name != "TORCHSERVE_KEY_FILE"} <= {
        field.name.upper() for field in fields(Settings)
    }


def test_dockerfile_passes_its_linter() -> None:
    run([str(Path(sys.executable).parent / "hadolint"), "Dockerfile"])


def test_dockerfile_copies_only_what_is_sent_to_it() -> None:
    allowed = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE))
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert {name.partition("/")[0] for name in names} == allowed
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE).group(1).split())
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in listed.splitlines()} == phony - {"preflight"}
