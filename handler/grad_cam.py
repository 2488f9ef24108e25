"""Where in the image a verdict comes from: Grad-CAM over the last feature map."""

import torch


def grad_cam(feature_map: torch.Tensor, gradient: torch.Tensor) -> list[list[float]]:
    """Weight a feature map (C, h, w) by the gradient (C,) of the score with respect to its mean.

    Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2. For a head on the pooled map the gradient is
    the same at every position, so the head's own gradient is exact. Returns a grid (h, w) scaled to [0, 1];
    all zeros where nothing speaks for the score.
    """
    cam = torch.relu(torch.einsum("chw,c->hw", feature_map.detach().float(), gradient.detach().float()))
    peak = float(cam.max())
    scaled = cam / peak if peak > 0 else cam
    grid: list[list[float]] = [[round(value, 4) for value in row] for row in scaled.tolist()]
    return grid
