"""What an epoch says of each image, and the figures of it that a run's log holds."""

import pandas as pd
import torch
from torch import Tensor, nn

from training.distributed import World
from training.metrics import source_aucs


class Scores:
    """Rows of a frame with their labels and uncalibrated logits, in the order they were seen."""

    def __init__(self) -> None:
        self.parts: list[Tensor] = []

    def add(self, row: Tensor, label: Tensor, logit: Tensor) -> None:
        """Take in a batch; nothing waits for the device."""
        row = row.to(logit.device, non_blocking=True)
        self.parts.append(torch.stack([row.double(), label.double(), logit.detach().double()], dim=1))

    def gathered(self, world: World) -> "Scores":
        """Return the scores of all processes."""
        gathered = Scores()
        gathered.parts = [world.gather(torch.cat(self.parts))]
        return gathered

    def figures(self, frame: pd.DataFrame, name: str, ranking: bool = False) -> dict[str, float]:
        """Return mean loss (log loss, in nats) and accuracy, each under a name that begins with `name`.

        Without `ranking` the accuracy on each source follows; with it the AUC, its mean over sources, and
        that of each source (`source_aucs`).
        """
        row, label, logit = torch.cat(self.parts).unbind(1)
        loss = nn.functional.binary_cross_entropy_with_logits(logit, label)
        right = (logit >= 0) == (label == 1)
        figures = {f"{name}_loss": loss.item(), f"{name}_accuracy": right.double().mean().item()}
        seen = pd.DataFrame(
            {
                "source": frame["source"].to_numpy()[row.long().numpy()],
                "label": label.long().numpy(),
                "probability": torch.sigmoid(logit).numpy(),
                "right": right.numpy(),
            }
        )
        if ranking:
            overall, each = source_aucs(seen)
            mean = sum(each.values()) / len(each)
            figures |= {f"{name}_auc": overall, f"{name}_auc_sources": mean}
            return figures | {f"{name}_auc_{source}": auc for source, auc in each.items()}
        accuracy = seen.groupby("source")["right"].mean()
        return figures | {f"{name}_accuracy_{source}": float(value) for source, value in accuracy.items()}
