"""Every number that decides what a training run learns, with the published recipe as defaults."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Augmentation = Literal["none", "recipe", "robust"]
Unfreeze = Literal["none", "layer4"]
Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True)
class HyperParameters:
    """What a run is made of; two runs with equal values on equal data end with equal weights."""

    unfreeze: Unfreeze = "none"  # what is trained besides the head
    epochs: int = 10
    batch_size: int = 64  # of each process
    learning_rate: float = 1e-4  # of Adam
    plateau_factor: float = 0.1  # the learning rate's, once the validation loss stops falling
    plateau_patience: int = 2  # epochs
    head_widths: tuple[int, ...] = (256, 64)
    dropout: float = 0.3
    augmentation: Augmentation = "recipe"
    per_source: int | None = None  # at most so many training images of each source and class
    views: int = 4  # cached augmentations of an image; epochs take them in turn
    # Of the backbone while training; the head is always fp32. "auto" is bf16 on a GPU and fp32 on a CPU: many
    # CPUs only emulate bf16, and are ten times slower at it.
    precision: Precision = "auto"
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON and checkpoints hold them."""
        return asdict(self) | {"head_widths": list(self.head_widths)}

    def uses_bf16(self, device: str) -> bool:
        """Return whether the backbone computes in bfloat16 on this type of device."""
        return self.precision == "bf16" or (self.precision == "auto" and device == "cuda")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "HyperParameters":
        """Return what `to_dict` was called on."""
        return cls(**values | {"head_widths": tuple(values["head_widths"])})
