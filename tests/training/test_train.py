"""Training: it learns, it goes on where it stopped, and the cache changes the time and nothing else."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import Result

from tests.support import ROOT
from tests.training.conftest import BATCH, invoke, succeed, train_arguments
from training.checkpoint import read, record_of


def history(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "metrics.csv").drop(columns="seconds")


def weights(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = read(run / "last.ckpt")["weights"]
    return found


def test_learns_and_leaves_its_files(run: Path) -> None:
    epochs = history(run)
    assert epochs["val_accuracy"].max() > 0.9
    assert epochs["val_loss"].iloc[-1] < epochs["val_loss"].iloc[0]
    assert (run / "history.png").stat().st_size > 1000
    assert read(run / "best.ckpt")["history"][-1]["val_loss"] == pytest.approx(epochs["val_loss"].min())


def test_resumed_run_equals_an_uninterrupted_one(
    csv: Path, backbone: Path, cache: Path, run: Path, tmp_path: Path
) -> None:
    whole = len(history(run))
    succeed(*train_arguments(csv, backbone, cache, tmp_path, whole - 1))
    succeed(*train_arguments(csv, backbone, cache, tmp_path, whole, "--resume"))
    pd.testing.assert_frame_equal(history(tmp_path), history(run), check_exact=True)
    pairs = zip(weights(tmp_path).values(), weights(run).values(), strict=True)
    assert all(torch.equal(resumed, uninterrupted) for resumed, uninterrupted in pairs)


def test_cached_and_naive_training_agree(
    csv: Path, backbone: Path, cache: Path, run: Path, tmp_path: Path
) -> None:
    succeed(*train_arguments(csv, backbone, cache, tmp_path, 1, "--no-cache"))
    pd.testing.assert_frame_equal(history(tmp_path), history(run)[:1], rtol=1e-2)


def test_last_stage_is_trained_only_when_asked(
    csv: Path, backbone: Path, cache: Path, run: Path, tmp_path: Path
) -> None:
    succeed(*train_arguments(csv, backbone, cache, tmp_path, 1, "--unfreeze", "layer4"))
    before, frozen, unfrozen = torch.load(backbone, weights_only=True), weights(run), weights(tmp_path)
    last_stage = [name for name in before if name.startswith("layer4.")]
    assert all(torch.equal(frozen[name], before[name]) for name in last_stage)
    assert not torch.equal(unfrozen["layer4.0.conv1.weight"], before["layer4.0.conv1.weight"])
    assert torch.equal(unfrozen["layer4.0.bn1.running_mean"], before["layer4.0.bn1.running_mean"])
    assert torch.equal(unfrozen["stem.layer3.0.conv1.weight"], before["layer3.0.conv1.weight"])


BETTER = (
    *("--unfreeze", "all", "--schedule", "cosine", "--warmup", 0.5, "--layer-decay", 0.5, "--ema", 0.9),
    *("--weight-decay", 0.01, "--label-smoothing", 0.05, "--augmentation", "strong", "--choose", "auc"),
    *("--synthetic-fakes", 0.67, "--balance", "sources"),
)


def test_better_recipe_resumes_where_it_was_interrupted(
    csv: Path, backbone: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [train_arguments(csv, backbone, cache, tmp_path / name, 2, *BETTER) for name in ("a", "b")]
    succeed(*arguments[0])
    with monkeypatch.context() as patched:
        # As when the machine stops: the first epoch is saved, nothing after it happens.
        patched.setattr("training.commands_train.write_history", lambda *_: sys.exit(7))
        assert invoke(*arguments[1]).exit_code == 7
    assert "other hyper-parameters" in refusal(invoke(*arguments[1], "--resume", "--epochs", 3))
    succeed(*arguments[1], "--resume")
    pd.testing.assert_frame_equal(history(tmp_path / "a"), history(tmp_path / "b"), check_exact=True)
    pairs = zip(weights(tmp_path / "a").values(), weights(tmp_path / "b").values(), strict=True)
    assert all(torch.equal(whole, resumed) for whole, resumed in pairs)
    assert {"train_accuracy_self-made", "val_auc", "val_auc_sources"} <= set(history(tmp_path / "a").columns)
    run = read(tmp_path / "a/last.ckpt")
    before = torch.load(backbone, weights_only=True)
    for stage in ("conv1", "layer1.0.conv1", "layer3.0.conv1"):
        assert not torch.equal(run["weights"][f"stem.{stage}.weight"], before[f"{stage}.weight"])
    assert torch.equal(run["weights"]["stem.bn1.running_mean"], before["bn1.running_mean"])


def test_a_run_goes_on_from_a_checkpoint_or_a_store(
    csv: Path, backbone: Path, cache: Path, run: Path, store: Path, tmp_path: Path
) -> None:
    best = run / "best.ckpt"
    refused = invoke(*train_arguments(csv, backbone, cache, tmp_path / "a", 1, "--start", best))
    assert refused.exit_code == 2
    assert "leave out --backbone" in refused.output
    trained = [name for name in read(best)["weights"] if not name.endswith(("mean", "var", "tracked"))]
    for out, start, difference in (("b", best, 0), ("c", store, 1e-3), ("d", tmp_path / "b/best.ckpt", 0)):
        arguments = train_arguments(csv, backbone, cache, tmp_path / out, 1)
        at = arguments.index("--backbone")
        del arguments[at : at + 2]
        # Squares of 96 pixels, at a rate of nothing: what is validated is what the other run had reached.
        succeed(*arguments, "--start", start, "--learning-rate", 0, "--unfreeze", "layer3", "--crop", 96)
        before, after = read(best)["weights"], weights(tmp_path / out)
        for name in trained:
            torch.testing.assert_close(after[name], before[name], rtol=difference, atol=difference / 1000)
    assert json.loads((tmp_path / "b/run.json").read_text())["hyperparameters"]["crop"] == 96
    first, second = record_of(read(best)), record_of(read(tmp_path / "b/best.ckpt"))
    assert second.pop("earlier") == read(tmp_path / "c/best.ckpt")["earlier"] == [first]
    assert read(tmp_path / "d/best.ckpt")["earlier"] == [first, second]


def test_a_run_learns_what_a_teacher_judges(
    csv: Path, backbone: Path, cache: Path, run: Path, tmp_path: Path
) -> None:
    images = pd.read_csv(csv)
    teacher = tmp_path / "train/probabilities.csv"
    teacher.parent.mkdir()
    # A teacher that is always wrong: whoever follows it alone is wrong on images it never saw.
    images.assign(probability=1 - images["label"]).to_csv(teacher, index=False)
    for out, share, accuracy in (("follows", 1, (0, 0.3)), ("ignores", 0, (0.9, 1))):
        more = ("--teacher", teacher, "--teacher-share", share)
        succeed(*train_arguments(csv, backbone, cache, tmp_path / out, 5, *more))
        last = history(tmp_path / out)["val_accuracy"].iloc[-1]
        assert accuracy[0] <= last <= accuracy[1]
    pd.testing.assert_frame_equal(history(tmp_path / "ignores"), history(run), check_exact=True)


def test_a_teacher_must_have_judged_the_images(
    csv: Path, backbone: Path, cache: Path, tmp_path: Path
) -> None:
    teacher, out = tmp_path / "train/probabilities.csv", tmp_path / "out"
    arguments = train_arguments(csv, backbone, cache, out, 1, "--teacher", teacher)
    assert "is missing: `python -m training evaluate" in refusal(invoke(*arguments))
    teacher.parent.mkdir()
    images = pd.read_csv(csv)
    images.to_csv(teacher, index=False)
    assert "no columns path and probability" in refusal(invoke(*arguments))
    images[images["split"] == "val"].assign(probability=0.5).to_csv(teacher, index=False)
    assert "lacks 24 of 24 training images" in refusal(invoke(*arguments))
    assert not out.exists()


def test_two_processes_train_one_model(csv: Path, backbone: Path, cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "training", *map(str, train_arguments(csv, backbone, cache, tmp_path, 2))]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Wrote ") == 1
    epochs = history(tmp_path)
    assert len(epochs) == 2
    # The validation figures are of all 12 images, though each process saw half of them.
    assert (epochs["val_accuracy"] * 12).tolist() == pytest.approx(
        (epochs["val_accuracy"] * 12).round().tolist()
    )
    optimizer = read(tmp_path / "last.ckpt")["optimizer"]["state"][0]
    assert optimizer["step"] == 2 * (24 // 2 // BATCH)


def test_a_run_without_a_source_is_judged_on_it_and_compared(
    csv: Path, backbone: Path, cache: Path, run: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(csv)
    number = frame["path"].map(lambda path: int(Path(path).stem))
    frame["source"] = [
        "new" if odd and fake else "old" for odd, fake in zip(number % 2, frame["label"] == 0, strict=True)
    ]
    frame.to_csv(tmp_path / "sources.csv", index=False)
    without, known = tmp_path / "without", set(cache.iterdir())
    arguments = train_arguments(tmp_path / "sources.csv", backbone, cache, without, 2)
    output = succeed(*arguments, "--leave-out", "new").output
    assert "left out: new" in output
    # There is no terminal here: what a log shows of an epoch under way.
    assert re.search(r"train, epoch 2: (\d+) of \1\n", output)
    left_out = json.loads((without / "run.json").read_text())["left_out"]["new"]
    assert set(cache.iterdir()) == known
    # Every second fake of train and val.
    assert left_out["images"] == 9
    assert left_out["roc_auc"] > 0.8
    header, _, first, second = succeed("compare", run, without).output.splitlines()
    assert "mean over sources" in header
    assert "the first" in first
    assert "epochs 2, leave_out new" in second
    assert f"new: {left_out['roc_auc']:.3f}" in second
    assert "holds no finished run" in refusal(invoke("compare", tmp_path))


def test_training_needs_no_library_of_other_steps() -> None:
    absent = "sys.modules.update(imagehash=None, model_archiver=None)"
    code = f"import sys; {absent}; from training.cli import main; main(['train', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--leave-out" in done.stdout


def refusal(result: Result) -> str:
    assert result.exit_code == 1
    return result.output


def test_a_run_is_never_overwritten_nor_continued_as_another(
    csv: Path, backbone: Path, cache: Path, run: Path, tmp_path: Path
) -> None:
    nowhere = train_arguments(csv, backbone, cache, tmp_path, 1, "--resume")
    assert "is missing" in refusal(invoke(*nowhere))
    assert "--resume" in refusal(invoke(*train_arguments(csv, backbone, cache, run, 1)))
    other = train_arguments(csv, backbone, cache, run, 9, "--resume", "--seed", 5)
    assert "other hyper-parameters" in refusal(invoke(*other))
