"""The training loop: one process or several, over images or over cached activations."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from training.batches import Batches, Source
from training.cache import enter
from training.checkpoint import Row, State
from training.distributed import World
from training.hyperparameters import HyperParameters
from training.model import Cut, Detector

Progress = Callable[[str, int, int], None]


class Tail(nn.Module):
    """The detector from a cut on: the part that is trained, and under torchrun the part that is shared."""

    def __init__(self, detector: Detector, cut: Cut, bf16: bool) -> None:
        super().__init__()
        self.detector, self.cut, self.bf16 = detector, cut, bf16

    def forward(self, batch: Tensor) -> Tensor:
        """Return the uncalibrated logits (N,) of a batch as the data sets give it."""
        x = enter(batch, self.cut)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            pooled = self.detector.advance(x, self.cut, "pooled")
        # The head is small and its batch normalisation sensitive: full precision costs nothing there.
        return self.detector.logit(pooled.float())


def fit(
    detector: Detector,
    source: Source,
    folder: Path,
    *,
    resume: bool = False,
    bf16: bool = False,
    progress: Progress = lambda _name, _step, _steps: None,
    report: Callable[[list[Row]], None] = lambda _history: None,
) -> list[Row]:
    """Train the detector, keep the last and the best checkpoint in a folder, and return a row per epoch.

    Every epoch draws its random numbers from its own seed, so a resumed run ends with the same weights as
    one that was never interrupted. `report` is called after each epoch.

    Raises DataError if the folder holds a run that would be overwritten, or none to resume, or one of other
    hyper-parameters (more epochs are allowed).
    """
    hp, world = source.hyperparameters, source.world
    detector.to(world.device).to(memory_format=torch.channels_last)
    optimizer = Adam(trainable(detector, hp), lr=hp.learning_rate)
    scheduler = ReduceLROnPlateau(optimizer, factor=hp.plateau_factor, patience=hp.plateau_patience)
    state = State(hp, detector, optimizer, scheduler)
    if resume:
        state.resume(folder)
    else:
        state.begin(folder)
    world.wait()
    validation = source.validating(detector)
    tail: nn.Module = Tail(detector, source.cut, bf16)
    if world.size > 1:
        tail = DistributedDataParallel(tail)
    for epoch in range(len(state.history), hp.epochs):
        batches = source.training(detector, epoch)
        began = time.monotonic()
        torch.manual_seed(hp.seed + 1_000 * epoch + world.rank)
        row: Row = {"epoch": epoch + 1, "learning_rate": optimizer.param_groups[0]["lr"]}
        for name, part, step in (("train", batches, optimizer), ("val", validation, None)):
            loss, accuracy = run_epoch(
                tail, part, world, step, partial(progress, f"{name}, epoch {epoch + 1}")
            )
            row |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
        scheduler.step(row["val_loss"])
        state.history.append(row | {"seconds": round(time.monotonic() - began, 2)})
        if world.leads:
            state.save(folder)
            report(state.history)
        world.wait()
    return state.history


def run_epoch(
    tail: nn.Module,
    batches: Batches,
    world: World,
    optimizer: Optimizer | None,
    progress: Callable[[int, int], None],
) -> tuple[float, float]:
    """Go through the batches once, training if there is an optimizer; return mean loss and accuracy."""
    tail.train(optimizer is not None)
    sums = torch.zeros(3, dtype=torch.float64, device=world.device)  # loss, correct, images
    with torch.set_grad_enabled(optimizer is not None):
        for step, (batch, label) in enumerate(batches, start=1):
            target = label.to(world.device, torch.float32)
            logit = tail(batch.to(world.device, non_blocking=True))
            # Sigmoid and cross-entropy in one: the same value, without the overflow.
            loss = nn.functional.binary_cross_entropy_with_logits(logit, target)
            if optimizer is not None:
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            correct = ((logit.detach() >= 0) == (target == 1)).sum()
            count = torch.tensor(len(target), device=world.device)
            sums += torch.stack([loss.detach().double() * count, correct.double(), count.double()])
            progress(step, len(batches))
    loss_sum, correct_sum, images = world.total(sums).tolist()
    return loss_sum / images, correct_sum / images


def trainable(detector: Detector, hp: HyperParameters) -> list[nn.Parameter]:
    """Freeze what the run does not train, and return the parameters that it does."""
    detector.requires_grad_(False)
    parts = [detector.head] + ([detector.layer4] if hp.unfreeze == "layer4" else [])
    return [parameter.requires_grad_(True) for part in parts for parameter in part.parameters()]
