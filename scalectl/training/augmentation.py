"""Shift and mirror images at random, in proportion to their size, the same for all networks."""

import torch
from torch import Tensor


def augment(images: Tensor, draws: Tensor, shift: float, *, flip: bool) -> Tensor:
    """Move each image by its own shift, a fraction of its side, and mirror half of them.

    `draws` are three numbers in [0, 1) for each image. What is uncovered repeats the border.
    (N, C, H, W) and (N, 3) -> (N, C, H, W).
    """
    count, side = len(images), images.shape[-1]
    move = ((draws[:, :2] * 2 - 1) * shift * side).round().long()
    place = torch.arange(side, device=images.device)
    rows = (place + move[:, :1]).clamp(0, side - 1)
    columns = (place + move[:, 1:]).clamp(0, side - 1)
    if flip:
        columns = torch.where(draws[:, 2:] < 0.5, columns.flip(1), columns)
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    each = torch.arange(count, device=images.device)[:, None, None, None]
    return images[each, channels, rows[:, None, :, None], columns[:, None, None, :]]
