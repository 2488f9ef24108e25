"""The backbone in 8-bit integers: ranges of its activations, measured once, and the detector made with them.

The weights are quantized anew at every export, from the stored ones. What calibration adds is a scale and a
zero point for each activation, and by how much rounding moves the mean logit: little enough to be committed
beside the weights.
"""

import copy
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.ao.quantization import QConfig, get_default_qconfig_mapping
from torch.ao.quantization.observer import (
    FixedQParamsObserver,
    HistogramObserver,
    UniformQuantizationObserverBase,
    default_per_channel_weight_observer,
)
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from torch.fx import GraphModule

from training.model import Detector
from training.store import StoreError

ENGINE = "x86"
# PyTorch's default for this engine has activations in 7 bits, so that a sum of two products always fits the
# 16 bits in which processors without VNNI hold it. There 8 bits cut off the largest sums, which costs less
# than the bit does: in 7, `gate` refused the detector.
EIGHT_BITS = QConfig(  # type: ignore[no-untyped-call]
    activation=HistogramObserver.with_args(
        dtype=torch.quint8, quant_min=0, quant_max=255, reduce_range=False
    ),
    weight=default_per_channel_weight_observer,
)
# The layers that stay in float32: they read the image itself, whose faint noise gives generators away and
# would be rounded off, and make 3 % of the network's multiplications.
EXACT = ("conv1", "bn1", "relu")
Ranges = dict[str, tuple[float, int]]


def calibrate(
    detector: Detector, batches: Iterable[Tensor], progress: Callable[[int], None] = lambda _done: None
) -> Ranges:
    """Return scale and zero point of every activation of the backbone, from batches of normalised images.

    They come from histograms, so that the mean squared error of quantization is least.
    """
    prepared = _prepare(detector)
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
    return {name: (float(scale), int(zero_point)) for name, (scale, zero_point) in found.items()}


def quantized(detector: Detector, ranges: Ranges, correction: float) -> Detector:
    """Return the detector with an 8-bit backbone, for the CPU; EXACT, head and calibration stay in float32.

    The correction is added to the calibrated logit. Raises StoreError if the ranges are not those of this
    backbone.
    """
    prepared = _prepare(detector)
    observers = _observers(prepared)
    if set(observers) != set(ranges):
        raise StoreError("The activation ranges are of another backbone: run `python -m training quantize`.")
    for name, (scale, zero_point) in ranges.items():
        each = observers[name]
        fixed = FixedQParamsObserver(  # type: ignore[no-untyped-call]
            scale, zero_point, each.dtype, each.qscheme, each.quant_min, each.quant_max
        )
        setattr(prepared, name, fixed)
    with _known_deprecations():
        backbone = convert_fx(prepared)
    result = copy.copy(detector)
    result._modules = detector._modules | {"stem": backbone, "layer4": nn.Identity()}
    result._buffers = detector._buffers | {"bias": detector.bias + correction}
    return result


def correction(detector: Detector, ranges: Ranges, batches: Sequence[Tensor]) -> float:
    """Return by how much float32's mean calibrated logit is above that of 8 bits.

    The rounding errors of the layers have a mean, which moves all logits the same way.
    """
    return _mean_logit(detector, batches) - _mean_logit(quantized(detector, ranges, 0), batches)


def _mean_logit(detector: Detector, batches: Sequence[Tensor]) -> float:
    with torch.inference_mode():
        pooled = (detector.maps(batch).mean((2, 3)) for batch in batches)
        return float(torch.cat([detector.calibrated(detector.logit(each)) for each in pooled]).mean())


def _prepare(detector: Detector) -> GraphModule:
    backbone = nn.Sequential(
        OrderedDict(stem=copy.deepcopy(detector.stem), layer4=copy.deepcopy(detector.layer4))
    ).eval()
    with _known_deprecations():
        mapping = get_default_qconfig_mapping(ENGINE).set_global(EIGHT_BITS)
        for kind in (nn.Conv2d, nn.BatchNorm2d, nn.ReLU):
            mapping.set_object_type(kind, EIGHT_BITS)
        for name in EXACT:
            mapping.set_module_name(f"stem.{name}", None)
        return prepare_fx(backbone, mapping, (torch.zeros(1, 3, 224, 224),))


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
