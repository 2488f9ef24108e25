"""The training loop: one process or several, over images or over cached activations."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import ReduceLROnPlateau

from training.batches import Batches, Source
from training.cache import enter
from training.checkpoint import Record, Row, State
from training.distributed import World
from training.model import Cut, Detector
from training.optimise import Average, follow_cosine, optimizer_of
from training.rounding import round_as_int8
from training.scores import Scores

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
            if self.detector.flip:
                mirrored = self.detector.advance(x.flip(3), self.cut, "pooled")
                pooled = torch.cat([pooled, mirrored], dim=1)
        # The head is small and its batch normalisation sensitive: full precision costs nothing there.
        return self.detector.logit(pooled.float())


def fit(
    detector: Detector,
    source: Source,
    folder: Path,
    *,
    earlier: list[Record] | None = None,
    resume: bool = False,
    bf16: bool = False,
    progress: Progress = lambda _name, _step, _steps: None,
    report: Callable[[list[Row]], None] = lambda _history: None,
) -> list[Row]:
    """Train the detector, keep the last and the best checkpoint in a folder, and return a row per epoch.

    Every epoch draws its random numbers from its own seed, so a resumed run ends with the same weights as
    one that was never interrupted. `earlier` has the runs that the detector comes from. `report` is called
    after each epoch.

    Raises DataError if the folder holds a run that would be overwritten, or none to resume, or one of other
    hyper-parameters (more epochs are allowed where the rate follows the validation loss).
    """
    hp, world = source.hyperparameters, source.world
    targets = source.targets.to(world.device)
    detector.to(world.device).to(memory_format=torch.channels_last)
    if hp.quantization_aware:
        round_as_int8(detector)
    optimizer = optimizer_of(detector, hp)
    scheduler = ReduceLROnPlateau(optimizer, factor=hp.plateau_factor, patience=hp.plateau_patience)
    average = Average(detector, hp.ema) if hp.ema else None
    state = State(hp, detector, optimizer, scheduler, average, earlier or [])
    if resume:
        state.resume(folder)
    else:
        state.begin(folder)
    world.wait()
    validation = source.validating(detector)
    tail: nn.Module = Tail(detector, source.cut, bf16)
    if world.size > 1:
        tail = DistributedDataParallel(tail)
    judge = Tail(state.judged, source.cut, bf16) if state.average else tail
    for epoch in range(len(state.history), hp.epochs):
        batches = source.training(detector, epoch)
        began = time.monotonic()
        torch.manual_seed(hp.seed + 1_000 * epoch + world.rank)
        told = partial(progress, f"train, epoch {epoch + 1}")
        train = train_epoch(tail, batches, targets, state, epoch, progress=told)
        row: Row = {"epoch": epoch + 1, "learning_rate": optimizer.param_groups[0]["lr"]}
        row |= train.gathered(world).figures(source.train, "train")
        if state.average:
            world.align(state.average.detector)
        validated = validate(judge, validation, world, partial(progress, f"val, epoch {epoch + 1}"))
        row |= validated.gathered(world).figures(source.validation, "val", ranking=True)
        if hp.schedule == "plateau":
            scheduler.step(row["val_loss"])
        state.history.append(row | {"seconds": round(time.monotonic() - began, 2)})
        if world.leads:
            state.save(folder)
            report(state.history)
        world.wait()
    return state.history


def train_epoch(
    tail: nn.Module,
    batches: Batches,
    targets: Tensor,
    state: State,
    epoch: int,
    *,
    progress: Callable[[int, int], None],
) -> Scores:
    """Go through the batches once and take a step on each; return what was scored on the way.

    `targets` (N,) has for each row the probability of real that it is trained towards.
    """
    hp, optimizer = state.hyperparameters, state.optimizer
    device = next(state.detector.parameters()).device
    scores = Scores()
    tail.train()
    for step, (batch, label, row) in enumerate(batches, start=1):
        if hp.schedule == "cosine":
            follow_cosine(optimizer, hp, epoch + (step - 0.5) / len(batches))
        logit = tail(batch.to(device, non_blocking=True))
        target = targets[row.to(device, non_blocking=True)]
        # Sigmoid and cross-entropy in one: the same value, without the overflow.
        loss = nn.functional.binary_cross_entropy_with_logits(logit, target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if state.average:
            state.average.update()
        scores.add(row, label.to(device, non_blocking=True), logit)
        progress(step, len(batches))
    return scores


@torch.no_grad()
def validate(tail: nn.Module, batches: Batches, world: World, progress: Callable[[int, int], None]) -> Scores:
    """Go through the batches once; return what was scored."""
    tail.eval()
    scores = Scores()
    for step, (batch, label, row) in enumerate(batches, start=1):
        logit = tail(batch.to(world.device, non_blocking=True))
        scores.add(row, label.to(world.device, non_blocking=True), logit)
        progress(step, len(batches))
    return scores
