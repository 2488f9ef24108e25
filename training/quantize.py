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
from torch.ao.quantization.observer import (
    FixedQParamsObserver,
    MovingAverageMinMaxObserver,
    UniformQuantizationObserverBase,
    default_per_channel_weight_observer,
)
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from torch.fx import GraphModule
from torch.nn.utils.fusion import fuse_conv_bn_eval

from handler.precision import INT8_ENGINE
from training.model import Detector
from training.store import StoreError

# PyTorch's defaults for some engines have activations in 7 bits, so that a sum of two products always fits
# the 16 bits in which processors without VNNI hold it. Those are not served 8 bits.
#
# The ranges reach to the mean of the batches' extremes. Those of all that was seen are as wide as one rare
# value makes them, and their steps as coarse; those with the least squared error cut off the largest
# activations, and with them what sharp images have more of: their logits then move more than others'.
EIGHT_BITS = QConfig(  # type: ignore[no-untyped-call]
    activation=MovingAverageMinMaxObserver.with_args(
        averaging_constant=0.1, dtype=torch.quint8, quant_min=0, quant_max=255, reduce_range=False
    ),
    weight=default_per_channel_weight_observer,
)
# The layers that stay in float32: the first convolution reads the image itself, whose faint noise gives
# generators away and would be rounded off. It makes 3 % of the network's multiplications.
EXACT = ("conv1", "bn1", "relu")
# Which operations become one: a block's last convolution with the shortcut's sum and the ReLU, so that the
# sum is of exact numbers, and is written once.
FUSED = get_onednn_backend_config()
Ranges = dict[str, tuple[float, int]]


class Calibration(NamedTuple):
    """What was measured for 8 bits.

    `ranges` has scale and zero point of every activation, `means` the mean input (C,) of every convolution's
    channels, `correction` by how much float32's mean calibrated logit is above that of 8 bits.
    """

    ranges: Ranges
    means: dict[str, Tensor]
    correction: float


def calibrate(
    detector: Detector, batches: Sequence[Tensor], progress: Callable[[int], None] = lambda _done: None
) -> Calibration:
    """Measure for 8 bits, on batches (N, 3, 224, 224) of normalised images."""
    prepared = _prepare(detector)
    inputs: dict[str, Tensor] = {}
    for name, convolution in _convolutions(prepared):
        convolution.register_forward_pre_hook(partial(_add_inputs, inputs, name))
    done = 0
    with torch.inference_mode():
        for batch in batches:
            prepared(batch)
            done += len(batch)
            progress(done)
    found = {
        name: observer.calculate_qparams()  # type: ignore[no-untyped-call]
        for name, observer in _observers(prepared).items()
    }
    ranges = {name: (float(scale), int(zero_point)) for name, (scale, zero_point) in found.items()}
    measured = Calibration(ranges, {name: total / done for name, total in inputs.items()}, 0)
    # What rounding the activations leaves of the mean error.
    left = _mean_logit(detector, batches) - _mean_logit(quantized(detector, measured), batches)
    return measured._replace(correction=left)


def quantized(detector: Detector, calibration: Calibration) -> Detector:
    """Return the detector with an 8-bit backbone, for the CPU; EXACT, head and calibration stay in float32.

    Raises StoreError if the calibration is not of this backbone.
    """
    prepared = _prepare(detector)
    observers, convolutions = _observers(prepared), dict(_convolutions(prepared))
    if set(observers) != set(calibration.ranges) or set(convolutions) != set(calibration.means):
        raise StoreError("What 8 bits need is of another backbone: run `python -m training quantize`.")
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
    result._modules = detector._modules | {"stem": backbone, "layer4": nn.Identity()}
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


def _prepare(detector: Detector) -> GraphModule:
    backbone = nn.Sequential(
        OrderedDict(stem=copy.deepcopy(detector.stem), layer4=copy.deepcopy(detector.layer4))
    ).eval()
    stem = backbone.get_submodule("stem")
    stem.conv1 = fuse_conv_bn_eval(stem.conv1, stem.bn1)  # type: ignore[type-var, arg-type]
    stem.bn1 = nn.Identity()
    with _known_deprecations():
        mapping = QConfigMapping().set_global(EIGHT_BITS)
        for name in EXACT:
            mapping.set_module_name(f"stem.{name}", None)
        return prepare_fx(backbone, mapping, (torch.zeros(1, 3, 224, 224),), backend_config=FUSED)


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
