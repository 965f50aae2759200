"""Gradient reversal, segments, their heads and adversaries."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from distaff_data.datasets.series import Series
from distaff_timeseries.dts.reversal import reverse, schedule
from distaff_timeseries.dts.segments import SegmentHeads, concept_codes, parse_segments


def test_reversal_keeps_values_and_turns_gradients() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    out = reverse(x, 0.25)
    assert torch.equal(out, x)
    (3 * out).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [-0.75, -0.75]


def test_schedule_grows_from_nothing_to_almost_one() -> None:
    values = [schedule(p / 100) for p in range(101)]
    assert values[0] == 0.0
    assert values == sorted(values)
    assert values[50] == pytest.approx(0.98661, abs=1e-5)
    assert values[-1] == pytest.approx(0.99991, abs=1e-5)
    assert schedule(-1) == 0.0
    assert schedule(7) == values[-1]


def test_segments_are_parsed_in_order() -> None:
    found = parse_segments(["class:4", "free:2", "group:3", "free:1"])
    assert [(s.name, s.concept, s.start, s.stop) for s in found] == [
        ("class", "class", 0, 4),
        ("free", "free", 4, 6),
        ("group", "group", 6, 9),
        ("free2", "free", 9, 10),
    ]
    z = torch.arange(10.0).unsqueeze(0)
    assert found[2].of(z).tolist() == [[6, 7, 8]]
    assert found[2].others(z).tolist() == [[0, 1, 2, 3, 4, 5, 9]]


@pytest.mark.parametrize("texts", [[], ["class"], ["class:0"], ["class:-1"], ["weather:2"], ["class:2", "class:2"]])
def test_segments_that_cannot_be_are_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="segment"):
        parse_segments(texts)


def heads(adversary: str, *texts: str) -> SegmentHeads:
    torch.manual_seed(0)
    found = SegmentHeads(
        parse_segments(texts),
        {"class": 3, "group": 2},
        adversary,  # type: ignore[arg-type]
        forgotten=("class", "group"),
    )
    return found


def test_labelled_adversaries_read_every_other_concept_and_push_the_latents_away_from_it() -> None:
    net = heads("labels", "class:2", "group:2", "free:1")
    assert [(s.name, what) for s, what in net.pairs] == [
        ("class", "group"),
        ("group", "class"),
        ("free", "class"),
        ("free", "group"),
    ]
    z = torch.randn(12, 5, requires_grad=True)
    codes = {"class": torch.arange(12) % 3, "group": torch.arange(12) % 2}
    _, against = net(z, codes, 1.0)
    found = torch.autograd.grad(against, z)[0]
    plain = torch.zeros_like(z)
    for (segment, what), adversary in zip(net.pairs, net.adversaries, strict=True):
        loss = F.cross_entropy(adversary(segment.of(z)), codes[what])
        plain = plain + torch.autograd.grad(loss, z)[0]
    torch.testing.assert_close(found, -plain)


def test_label_free_adversaries_read_the_other_latents_and_leave_those_alone() -> None:
    net = heads("latents", "free:2", "free:3")
    z = torch.randn(50, 5, requires_grad=True)
    main, against = net(z, {}, 1.0)
    assert main.item() == 0.0
    assert [a[-1].out_features for a in net.adversaries if isinstance(a, nn.Sequential)] == [3, 2]
    both = torch.autograd.grad(against, z, retain_graph=True)[0]
    weakened = net(z, {}, 0.0)[1]
    assert float(torch.autograd.grad(weakened, z)[0].abs().max()) == 0.0  # nothing reaches the targets
    assert float(both.abs().max()) > 0
    assert against.item() == pytest.approx(2.0, abs=0.4)  # unit variance, and nothing learned yet


def test_unknown_codes_count_in_no_loss() -> None:
    net = heads("labels", "class:2", "group:2")
    z = torch.randn(6, 4)
    codes = {"class": torch.tensor([0, 1, 2, -1, -1, -1]), "group": torch.arange(6) % 2}
    some = net(z, codes, 1.0)
    changed = z.clone()
    changed[3:, :2] += 5  # the class segment of windows without a class
    other = net(changed, codes, 1.0)
    assert some[0].item() == pytest.approx(other[0].item())
    nobody = net(z, {name: torch.full((6,), -1) for name in codes}, 1.0)
    assert [loss.item() for loss in nobody] == [0.0, 0.0]


def test_reversed_training_makes_a_segment_forget() -> None:
    """One latent holds the class and one the group; a linear encoder must learn which may keep which."""
    torch.manual_seed(0)
    truth = torch.randint(0, 2, (400, 2))
    x = (2.0 * truth - 1) @ torch.tensor([[1.0, 1.0], [1.0, -1.0]]) + 0.1 * torch.randn(400, 2)
    net = SegmentHeads(
        parse_segments(["class:1", "group:1"]), {"class": 2, "group": 2}, "labels", forgotten=("class", "group")
    )
    encoder = nn.Linear(2, 2)
    optimizer = torch.optim.Adam([*encoder.parameters(), *net.parameters()], lr=1e-2)
    codes = {"class": truth[:, 0], "group": truth[:, 1]}
    for step in range(400):
        main, against = net(encoder(x), codes, schedule(step / 400))
        optimizer.zero_grad()
        (main + against).backward()
        optimizer.step()
    z = encoder(x).detach()

    def told(column: int, concept: int) -> float:
        own = torch.corrcoef(torch.stack([z[:, column], truth[:, concept].float()]))
        return abs(float(own[0, 1]))

    assert min(told(0, 0), told(1, 1)) > 0.9
    assert max(told(0, 1), told(1, 0)) < 0.3


def test_concepts_are_those_that_vary() -> None:
    x = torch.randn(4, 5, 1).numpy()
    data = Series.from_windows(x, ["a", "b", None, "a"], groups=["s1", "s1", "s2", None])
    found = concept_codes(data)
    assert found["class"][0].tolist() == [0, 1, -1, 0]
    assert found["group"][0].tolist() == [0, 0, 1, -1]
    assert found["group"][1] == ("s1", "s2")
    assert concept_codes(Series.from_windows(x, ["a"] * 4)) == {}
