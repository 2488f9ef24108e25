"""Which precision is served on which machine, and that a lower one computes what float32 does."""

from pathlib import Path

import pytest
import torch

from handler.precision import PrecisionError, choose, load

CPU = torch.device("cpu")
ALL = {"int8", "bf16", "fp16"}
MACHINES = {
    "AVX2 only": {"avx2": True},
    "VNNI": {"avx2": True, "avx_vnni": True},
    "VNNI and AMX": {"avx2": True, "avx512_vnni": True, "amx_bf16": True, "avx512_bf16": True},
    "no AVX2": {"sse4_2": True},
}


@pytest.mark.parametrize(
    ("machine", "carried", "chosen"),
    [
        ("AVX2 only", ALL, "fp32"),
        ("VNNI", ALL, "int8"),
        ("VNNI", {"bf16", "fp16"}, "fp32"),
        ("VNNI and AMX", ALL, "int8"),
        ("VNNI and AMX", {"bf16"}, "bf16"),
        ("VNNI and AMX", set(), "fp32"),
        ("no AVX2", ALL, "fp32"),
    ],
)
def test_fastest_that_machine_and_archive_allow_is_chosen(
    monkeypatch: pytest.MonkeyPatch, machine: str, carried: set[str], chosen: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MACHINES[machine])
    assert choose("auto", carried, CPU).precision == chosen


def test_reason_names_what_the_faster_ones_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MACHINES["AVX2 only"])
    reason = choose("auto", {"bf16"}, CPU).reason
    assert "not int8: the processor has no VNNI" in reason
    assert "not bf16: the processor has neither" in reason


@pytest.mark.parametrize("asked", ["int8", "bf16"])
def test_configuration_decides_among_what_is_possible(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MACHINES["VNNI and AMX"])
    assert choose(asked, ALL, CPU).precision == asked
    assert choose("fp32", ALL, CPU).precision == "fp32"


@pytest.mark.parametrize("asked", ["bf16", "fp16", "int4", "", "FP32"])
def test_impossible_configuration_is_refused(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MACHINES["AVX2 only"])
    with pytest.raises(PrecisionError, match=r"model-config\.yaml"):
        choose(asked, ALL, CPU)


def test_gpu_is_served_in_what_its_generation_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 0))
    assert choose("auto", ALL, gpu).precision == "fp16"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (6, 1))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_options: False)
    assert choose("auto", ALL, gpu).precision == "fp32"


class Small(torch.nn.Module):
    """A backbone and a head, as the archive's module has them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3)
        self.head = torch.nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return probabilities (N,)."""
        return torch.sigmoid(self.head(self.stem(x).float().mean((2, 3)))).squeeze(1)

    @torch.jit.export
    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the same."""
        return self.forward(x)


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_half_precision_rounds_the_backbone_alone(tmp_path: Path, precision: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    torch.jit.script(Small()).save(str(tmp_path / "small.pt"))
    x = torch.randn(4, 3, 16, 16)
    full = load(tmp_path / "small.pt", "fp32", CPU)(x)
    half = load(tmp_path / "small.pt", precision, CPU)(x.to(dtype))
    assert half.dtype == torch.float32
    assert half.tolist() == pytest.approx(full.tolist(), abs=0.01)
    assert half.tolist() != full.tolist()
