"""In which numbers the backbone computes: the choice among those the device is fast at, and the loading."""

import json
import warnings
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import torch

# What the archive carries besides float32: the module's file for each precision that may be served.
CARRIED = "precisions.json"
TYPES = {"fp32": torch.float32, "int8": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# The engine that adds a block's shortcut to its last convolution in one operation. It packs the weights as
# they are loaded, and is that of the whole process.
INT8_ENGINE = "onednn"
# By speed, the fastest first.
BY_SPEED = {"cpu": ("int8", "bf16", "fp32"), "cuda": ("fp16", "bf16", "fp32")}


class PrecisionError(ValueError):
    """The precision that the configuration asks for cannot be served; the message says why."""


@dataclass(frozen=True)
class Choice:
    """A precision, and why it was chosen."""

    precision: str
    reason: str


def choose(asked: str, carried: Container[str], device: torch.device) -> Choice:
    """Return the precision to serve in: the one asked for, or the fastest for "auto".

    Raises PrecisionError if the one asked for is unknown, not carried, or nothing for this device.
    """
    if asked == "auto":
        passed_over: list[str] = []
        for precision in BY_SPEED[device.type]:
            obstacle = _obstacle(precision, carried, device)
            if obstacle is None:
                reason = "; ".join(["the fastest that can be served here", *passed_over])
                return Choice(precision, reason)
            passed_over.append(f"not {precision}: {obstacle}")
    if asked not in TYPES:
        raise PrecisionError(f"precision is {asked!r} in model-config.yaml: set auto, {', '.join(TYPES)}.")
    obstacle = _obstacle(asked, carried, device)
    if obstacle is not None:
        raise PrecisionError(f"precision is {asked!r} in model-config.yaml, but {obstacle}: set auto.")
    return Choice(asked, "model-config.yaml asks for it")


def load(path: Path, precision: str, device: torch.device) -> torch.jit.ScriptModule:
    """Load a TorchScript module with `forward` and `explain`, whose submodule `head` stays in float32.

    It takes images of TYPES[precision].
    """
    with warnings.catch_warnings():
        # TorchScript is the contract with TorchServe; its deprecation is known and accepted.
        warnings.filterwarnings("ignore", "`torch.jit", category=FutureWarning)
        if precision == "int8":
            torch.backends.quantized.engine = INT8_ENGINE
        module = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
        if precision == "int8":  # freezing would unpack its weights
            return module  # type: ignore[no-any-return]
        for name, part in module.named_children():
            if name != "head":
                part.to(TYPES[precision], memory_format=torch.channels_last)
        frozen: torch.jit.ScriptModule = torch.jit.freeze(module, preserved_attrs=["explain"])
    return frozen


def carried(archive: Path) -> dict[str, str]:
    """Return the file of each precision in an unpacked archive, float32's aside."""
    path = archive / CARRIED
    files: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return files


def _obstacle(precision: str, carried: Container[str], device: torch.device) -> str | None:
    if precision != "fp32" and precision not in carried:
        return missing(precision, device) or "the archive carries none that passed the comparison with fp32"
    return missing(precision, device)


def missing(precision: str, device: torch.device) -> str | None:
    """Return what the device lacks to be fast in a precision, or None."""
    if precision == "fp32":
        return None
    if device.type == "cuda":
        return _missing_on_gpu(precision, device)
    features = torch.cpu.get_capabilities()
    if precision == "int8":
        # Without VNNI a sum of two products is held in 16 bits, which cut off the largest: it would be fast,
        # but not what was compared with float32.
        vnni = any(features.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))
        served = vnni and INT8_ENGINE in torch.backends.quantized.supported_engines
        return None if served else "the processor has no VNNI"
    if precision == "bf16":
        able = features.get("avx512_bf16") or features.get("amx_bf16")
        return None if able else "the processor has neither AVX512-BF16 nor AMX"
    return "a processor is slow in it"


def _missing_on_gpu(precision: str, device: torch.device) -> str | None:
    if precision == "int8":
        return "PyTorch computes it on a CPU only"
    if precision == "bf16":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return None if able else "the GPU has no bfloat16"
    # Tensor cores came with 7.0, Volta.
    return None if torch.cuda.get_device_capability(device) >= (7, 0) else "the GPU has no tensor cores"
