"""Every number that decides what a training run learns, with the published recipe as defaults."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Augmentation = Literal["none", "recipe", "robust", "moderate", "strong"]
Unfreeze = Literal["none", "layer4", "layer3", "layer2", "all"]
Schedule = Literal["plateau", "cosine"]
Balance = Literal["none", "root", "sources"]
Choice = Literal["loss", "auc"]
Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True)
class HyperParameters:
    """What a run is made of; two runs with equal values on equal data end with equal weights."""

    start: str | None = (
        None  # checkpoint or model store that is trained further, instead of ImageNet's weights
    )
    unfreeze: Unfreeze = "none"  # the first stage that is trained, with all later ones and the head
    epochs: int = 10
    batch_size: int = 64  # of each process
    learning_rate: float = 1e-4  # of the head, by Adam
    layer_decay: float = 1.0  # a stage's learning rate over that of the stage after it
    weight_decay: float = 0.0  # decoupled (AdamW), of all but biases and normalisation
    schedule: Schedule = "plateau"
    plateau_factor: float = 0.1  # the learning rate's, once the validation loss stops falling
    plateau_patience: int = 2  # epochs
    warmup: float = 1.0  # epochs of linear warm-up before the cosine
    ema: float = 0.0  # decay a step of the averaged weights, which are then what is validated and kept
    label_smoothing: float = 0.0
    teacher: str | None = None  # probabilities of the training images, as `evaluate` writes them
    teacher_share: float = 0.5  # of a training target that is the teacher's probability, not the label
    head_widths: tuple[int, ...] = (256, 64)
    dropout: float = 0.3
    augmentation: Augmentation = "recipe"
    crop: int | None = None  # side in pixels of the random square that is trained on, at full scale
    synthetic_fakes: float = 0.0  # share of a batch that is real images paired with fakes made of them
    balance: Balance = "none"  # how sources of different size are drawn
    leave_out: tuple[str, ...] = ()  # sources neither trained on nor validated
    per_source: int | None = None  # at most so many training images of each source and class
    views: int = 4  # cached augmentations of an image; epochs take them in turn
    choose: Choice = "loss"  # the best epoch: lowest validation loss, or highest AUC averaged over sources
    # Of the backbone while training; the head is always fp32. "auto" is bf16 on a GPU and fp32 on a CPU: many
    # CPUs only emulate bf16, and are ten times slower at it.
    precision: Precision = "auto"
    quantization_aware: bool = False  # the backbone rounds weights and activations as the int8 module does
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON and checkpoints hold them."""
        return asdict(self) | {"head_widths": list(self.head_widths), "leave_out": list(self.leave_out)}

    def uses_bf16(self, device: str) -> bool:
        """Return whether the backbone computes in bfloat16 on this type of device."""
        return self.precision == "bf16" or (self.precision == "auto" and device == "cuda")

    @property
    def cacheable(self) -> bool:
        """Return whether activations can be cached: of frozen layers, exact, and whole images seen again."""
        frozen, exact = self.unfreeze in {"none", "layer4"}, not self.quantization_aware
        return frozen and exact and not self.synthetic_fakes and self.crop is None

    def continues(self, earlier: "HyperParameters") -> bool:
        """Return whether a run can go on with these values; more epochs would bend a cosine."""
        same = self if self.schedule == "cosine" else replace(self, epochs=earlier.epochs)
        return same == earlier

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "HyperParameters":
        """Return what `to_dict` was called on; what older files do not name has its default."""
        known = dict(values)
        for name in ("head_widths", "leave_out"):
            if name in known:
                known[name] = tuple(known[name])
        return cls(**known)
