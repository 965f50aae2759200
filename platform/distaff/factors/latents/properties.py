"""Properties of a window without any model: level, slope, amplitude, period, phase and variance."""

from __future__ import annotations

import torch
from torch import Tensor

PHASE = "phase"


def channel_properties(values: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Return properties of each window and channel, ``(b, C)``, over what was measured.

    ``level`` is the mean, ``slope`` the change of the least-squares line from the first row to the last. Around the line,
    ``amplitude`` is that of the strongest sine, ``period`` its rows, ``phase`` how far it is past a crest in the middle of
    the window, from -1/2 to 1/2 of a turn, and ``variance`` what is left without it. A window shorter than 4 rows has no
    sine: amplitude, period and phase are 0.

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
    properties = {"level": level, "slope": rate * (length - 1), "variance": total}
    if length < 4:
        zero = torch.zeros_like(level)
        return properties | dict.fromkeys(("amplitude", "period", "phase"), zero)
    spectrum = torch.fft.rfft(rest, dim=1)[:, 1:]
    strongest, place = spectrum.abs().max(1)
    # A sine of amplitude A over n measured rows has |X| = A n / 2, at the last frequency of an even window A n.
    last = (place == length // 2 - 1) & (length % 2 == 0)
    amplitude = torch.where(last, 1.0, 2.0) * strongest / count
    power = torch.where(last, 1.0, 0.5) * amplitude.square()
    # A wave's phase in the middle depends on its period least.
    turned = spectrum.gather(1, place.unsqueeze(1)).squeeze(1).angle() / (2 * torch.pi)
    middle = turned + (place + 1.0) * (length - 1) / (2 * length)
    properties |= {"amplitude": amplitude, "period": length / (place + 1.0), "phase": middle - middle.round()}
    return properties | {"variance": (total - power).clamp(min=0)}


def window_properties(values: Tensor, mask: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
    """Return properties of windows, ``(b,)`` each, by name.

    Level, slope and phase have a direction and stay apart by channel, ``c1 level``; the others are means over channels, the
    period weighted by squared amplitudes. A single channel has no name.
    """
    each = channel_properties(values, mask)
    properties = {}
    for name in ("level", "slope", PHASE):
        for i, channel in enumerate(channels):
            properties[name if len(channels) == 1 else f"{channel} {name}"] = each[name][:, i]
    strength = each["amplitude"].square()
    properties["amplitude"] = each["amplitude"].mean(1)
    properties["period"] = (each["period"] * strength).sum(1) / strength.sum(1).clamp(min=1e-12)
    properties["variance"] = each["variance"].mean(1)
    return properties
