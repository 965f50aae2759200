"""What can be said of a window without any model: level, slope, amplitude, period and variance."""

from __future__ import annotations

import torch
from torch import Tensor

PROPERTIES = ("level", "slope", "amplitude", "period", "variance")


def channel_properties(values: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Properties of each window and channel, ``(b, C)``, over what was measured.

    ``level`` is the mean, ``slope`` the change of the least-squares line from the first row to the last. Around the line,
    ``amplitude`` is that of the strongest sine, ``period`` its rows, and ``variance`` what is left without it. A window
    shorter than 4 rows has no sine: amplitude and period are 0.

    Args:
        values: 0 where missing, ``(b, T, C)``.
        mask: bool ``(b, T, C)``.
    """
    length = values.shape[1]
    count = mask.sum(1).clamp(min=1)
    level = (values * mask).sum(1) / count
    t = torch.arange(length, dtype=values.dtype, device=values.device).view(1, -1, 1).expand_as(values)
    time = (t - ((t * mask).sum(1) / count).unsqueeze(1)) * mask
    rate = (time * values).sum(1) / time.square().sum(1).clamp(min=1e-12)
    rest = (values - level.unsqueeze(1) - rate.unsqueeze(1) * time) * mask
    total = rest.square().sum(1) / count
    found = {"level": level, "slope": rate * (length - 1), "variance": total}
    if length < 4:
        zero = torch.zeros_like(level)
        return {"level": level, "slope": found["slope"], "amplitude": zero, "period": zero, "variance": total}
    spectrum = torch.fft.rfft(rest, dim=1)[:, 1:].abs()
    strongest, place = spectrum.max(1)
    # A sine of amplitude A over n measured rows has |X| = A n / 2, at the last frequency of an even window A n.
    last = (place == length // 2 - 1) & (length % 2 == 0)
    amplitude = torch.where(last, 1.0, 2.0) * strongest / count
    power = torch.where(last, 1.0, 0.5) * amplitude.square()
    found |= {"amplitude": amplitude, "period": length / (place + 1.0), "variance": (total - power).clamp(min=0)}
    return {name: found[name] for name in PROPERTIES}


def window_properties(values: Tensor, mask: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
    """Properties of windows, ``(b,)`` each, by name.

    Level and slope have a sign and stay apart by channel, ``c1 level``; the others are means over channels, the period
    weighted by squared amplitudes. A single channel has no name.
    """
    each = channel_properties(values, mask)
    found = {}
    for name in ("level", "slope"):
        for i, channel in enumerate(channels):
            found[name if len(channels) == 1 else f"{channel} {name}"] = each[name][:, i]
    strength = each["amplitude"].square()
    found["amplitude"] = each["amplitude"].mean(1)
    found["period"] = (each["period"] * strength).sum(1) / strength.sum(1).clamp(min=1e-12)
    found["variance"] = each["variance"].mean(1)
    return found
