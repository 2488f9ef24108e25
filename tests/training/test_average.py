"""The average of two checkpoints."""

from pathlib import Path

import pytest
import torch

from tests.training.conftest import invoke, succeed
from training.checkpoint import read
from training.store import read_card


def checkpoint(path: Path, run: Path, factor: float, widths: int | None = None) -> Path:
    """Write a run's best checkpoint with all weights multiplied, and a head of another width if given."""
    saved = read(run / "best.ckpt")
    for tensor in saved["weights"].values():
        if tensor.is_floating_point():
            tensor.mul_(factor)
    if widths is not None:
        saved["weights"]["head.0.weight"] = torch.zeros(widths, 2048)
    torch.save(saved, path)
    return path


def test_average_lies_between_two_checkpoints_and_can_be_served(run: Path, csv: Path, tmp_path: Path) -> None:
    doubled = checkpoint(tmp_path / "doubled.ckpt", run, 2)
    succeed("average", run / "best.ckpt", doubled, "--share", 0.25, "--out", tmp_path / "averaged")
    before, after = (read(path)["weights"] for path in (run / "best.ckpt", tmp_path / "averaged/best.ckpt"))
    for name in ("stem.conv1.weight", "head.0.weight", "head.1.running_var"):
        torch.testing.assert_close(after[name], 1.25 * before[name])
    arguments = ("--csv", csv, "--cache", tmp_path / "cache", "--store", tmp_path / "store", "--workers", 0)
    succeed("calibrate", tmp_path / "averaged/best.ckpt", *arguments)
    training = read_card(tmp_path / "store")["training"]
    assert training["average_of"] == {
        "first": str(run / "best.ckpt"),
        "second": str(doubled),
        "share": 0.25,
    }


def test_networks_of_different_shape_have_no_average(run: Path, tmp_path: Path) -> None:
    other = checkpoint(tmp_path / "other.ckpt", run, 1, widths=3)
    result = invoke("average", run / "best.ckpt", other, "--out", tmp_path / "averaged")
    assert result.exit_code == 1
    assert "different networks" in result.output
    assert not (tmp_path / "averaged").exists()


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_share_is_between_nothing_and_all(run: Path, tmp_path: Path, share: float) -> None:
    best = run / "best.ckpt"
    assert invoke("average", best, best, "--share", share, "--out", tmp_path / "averaged").exit_code == 2
