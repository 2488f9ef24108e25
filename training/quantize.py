"""The backbone in 8-bit integers: what is measured for it once, and the detector made with that.

The weights are quantized anew at every export, from the stored ones. What calibration adds is little enough
to be committed beside them.
"""

import copy
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.ao.quantization import QConfig, QConfigMapping
from torch.ao.quantization.backend_config import get_onednn_backend_config
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
from torch.ao.quantization.observer import (
    FixedQParamsObserver,
    MovingAverageMinMaxObserver,
    UniformQuantizationObserverBase,
    default_per_channel_weight_observer,
)
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from torch.fx import GraphModule

from handler.precision import INT8_ENGINE
from training.equalise import channel_peaks, equalise, rescalable
from training.model import Detector
from training.pixels import Pixels, reading_pixels
from training.store import StoreError

# PyTorch's defaults for some engines have activations in 7 bits, so that a sum of two products always fits
# the 16 bits in which processors without VNNI hold it. Those are not served 8 bits.
EIGHT_BITS = QConfig(  # type: ignore[no-untyped-call]
    activation=MovingAverageMinMaxObserver.with_args(
        averaging_constant=0.1, dtype=torch.quint8, quant_min=0, quant_max=255, reduce_range=False
    ),
    weight=default_per_channel_weight_observer,
)
# The ranges reach to KEPT of the mean of the batches' extremes, or to all of it where values have both signs.
# Those of all that was seen are as wide as one rare value makes them, and their steps as coarse; those with
# the least squared error cut off the largest activations, and with them what sharp images have more of: their
# logits then move more than others', as they do where KEPT is 0.65.
KEPT = 0.8
# Which operations become one: a block's last convolution with the shortcut's sum and the ReLU, so that the
# sum is of exact numbers, and is written once.
FUSED = get_onednn_backend_config()
Ranges = dict[str, tuple[float, int]]
OTHER_BACKBONE = "What 8 bits need is of another backbone: run `python -m training quantize`."


class Calibration(NamedTuple):
    """What was measured for 8 bits.

    `peaks` is what `equalise` needs, `ranges` has scale and zero point of every activation, `means` the mean
    input (C,) of every convolution's channels, `correction` by how much float32's mean calibrated logit is
    above that of 8 bits.
    """

    peaks: dict[str, Tensor]
    ranges: Ranges
    means: dict[str, Tensor]
    correction: float


def calibrate(
    detector: Detector,
    batches: Sequence[Tensor],
    validation: Sequence[Tensor],
    progress: Callable[[int], None] = lambda _done: None,
) -> Calibration:
    """Measure for 8 bits, on batches (N, 3, 224, 224) of normalised images.

    The correction is measured on those of `validation`: it belongs to the calibration of probabilities, which
    was fitted on the same split.
    """
    peaks = channel_peaks(detector, batches)
    prepared = _prepare(detector, peaks)
    pixels = Pixels()
    inputs: dict[str, Tensor] = {}
    for name, convolution in _convolutions(prepared):
        convolution.register_forward_pre_hook(partial(_add_inputs, inputs, name))
    done = 0
    with torch.inference_mode(), _known_deprecations():
        for batch in batches:
            prepared(pixels(batch).dequantize())
            done += len(batch)
            progress(done)
    found = {
        name: observer.calculate_qparams()  # type: ignore[no-untyped-call]
        for name, observer in _observers(prepared).items()
    }
    ranges = {
        name: (float(scale) * (KEPT if zero_point == 0 else 1), int(zero_point))
        for name, (scale, zero_point) in found.items()
    }
    measured = Calibration(peaks, ranges, {name: total / done for name, total in inputs.items()}, 0)
    # What rounding the activations leaves of the mean error.
    left = _mean_logit(detector, validation) - _mean_logit(quantized(detector, measured), validation)
    return measured._replace(correction=left)


def quantized(detector: Detector, calibration: Calibration) -> Detector:
    """Return the detector with an 8-bit backbone, for the CPU; head and calibration stay in float32.

    Raises StoreError if the calibration is not of this backbone.
    """
    if {name for name, _ in rescalable(detector)} != set(calibration.peaks):
        raise StoreError(OTHER_BACKBONE)
    prepared = _prepare(detector, calibration.peaks)
    observers, convolutions = _observers(prepared), dict(_convolutions(prepared))
    if set(observers) != set(calibration.ranges) or set(convolutions) != set(calibration.means):
        raise StoreError(OTHER_BACKBONE)
    for name, (scale, zero_point) in calibration.ranges.items():
        each = observers[name]
        fixed = FixedQParamsObserver(  # type: ignore[no-untyped-call]
            scale, zero_point, each.dtype, each.qscheme, each.quant_min, each.quant_max
        )
        setattr(prepared, name, fixed)
    for name, convolution in convolutions.items():
        _correct_bias(convolution, calibration.means[name])
    torch.backends.quantized.engine = INT8_ENGINE
    with _known_deprecations():
        backbone = convert_fx(prepared, backend_config=FUSED)
    result = copy.copy(detector)
    stem = nn.Sequential(Pixels(), backbone)
    result._modules = detector._modules | {"stem": stem, "layer4": nn.Identity()}
    result._buffers = detector._buffers | {"bias": detector.bias + calibration.correction}
    return result


def rounded(weight: Tensor) -> Tensor:
    """Return a convolution's weights as 8 bits hold them, each output channel with its own scale."""
    observer = EIGHT_BITS.weight()
    observer(weight.detach())
    scale, zero_point = observer.calculate_qparams()
    limits = observer.quant_min, observer.quant_max
    return torch.fake_quantize_per_channel_affine(weight, scale, zero_point.int(), 0, *limits)


def _add_inputs(totals: dict[str, Tensor], name: str, _module: nn.Module, inputs: tuple[Tensor]) -> None:
    totals[name] = totals.get(name, torch.zeros(())) + inputs[0].mean((2, 3)).sum(0)


def _correct_bias(convolution: nn.Conv2d, mean: Tensor) -> None:
    """Take away what rounding the weights adds to the mean output (Nagel et al., ICCV 2019, section 4.2)."""
    assert convolution.bias is not None  # noqa: S101  # that of the batch normalisation folded into it
    weight = convolution.weight.detach()
    convolution.bias.data -= (rounded(weight) - weight).sum((2, 3)) @ mean


def _mean_logit(detector: Detector, batches: Sequence[Tensor]) -> float:
    with torch.inference_mode():
        pooled = (detector.maps(batch).mean((2, 3)) for batch in batches)
        return float(torch.cat([detector.calibrated(detector.logit(each)) for each in pooled]).mean())


def _prepare(detector: Detector, peaks: dict[str, Tensor]) -> GraphModule:
    backbone = nn.Sequential(
        OrderedDict(stem=copy.deepcopy(detector.stem), layer4=copy.deepcopy(detector.layer4))
    ).eval()
    equalise(backbone, peaks)
    stem = backbone.get_submodule("stem")
    assert isinstance(stem.conv1, nn.Conv2d)  # noqa: S101  # for mypy: a submodule could be anything
    stem.conv1 = reading_pixels(stem.conv1)
    with _known_deprecations():
        return prepare_fx(
            backbone,
            QConfigMapping().set_global(EIGHT_BITS),
            (torch.zeros(1, 3, 224, 224),),
            # The bytes of the image: rounded to a range of their own they would lose the faint noise that
            # gives generators away.
            PrepareCustomConfig().set_input_quantized_indexes([0]),
            backend_config=FUSED,
        )


def _convolutions(prepared: GraphModule) -> Iterator[tuple[str, nn.Conv2d]]:
    """Yield those that will be quantized."""
    for name in [node.target for node in prepared.graph.nodes if node.op == "call_module"]:
        module = prepared.get_submodule(name)
        # Fused with what follows it, a convolution is the first of a sequence.
        convolution = module[0] if isinstance(module, nn.Sequential) else module
        if isinstance(convolution, nn.Conv2d) and module.qconfig is not None:
            yield name, convolution


def _observers(prepared: nn.Module) -> dict[str, UniformQuantizationObserverBase]:
    return {
        name: each
        for name, each in prepared.named_children()
        if isinstance(each, UniformQuantizationObserverBase)
    }


@contextmanager
def _known_deprecations() -> Iterator[None]:
    with warnings.catch_warnings():
        for message in (
            # Its successor, torchao, lowers to a compiler that the worker does not have.
            "torch.ao.quantization is deprecated",
            "torch.quantize_per_tensor, torch.quantize_per_channel",
            # PyTorch's own defaults for this engine set it.
            "Please use quant_min and quant_max to specify the range",
            # Of observers that the conversion makes for weights, and fills right after.
            "must run observer before calling calculate_qparams",
        ):
            warnings.filterwarnings("ignore", message)
        yield
