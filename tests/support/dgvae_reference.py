"""DGVAE written plainly and densely from its equations, as the authors' code computes it: slow, obvious, for comparison."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


def knn_graph(vectors: Tensor, k: int) -> Tensor:
    """r_i^-1/2 r_j^-1/2 on the k nearest by cosine, r the row sums; dense ``(n, n)``."""
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    edges = torch.zeros(len(vectors), len(vectors))
    edges.scatter_(1, (unit @ unit.T).topk(k, 1).indices, 1.0)
    scale = edges.sum(1).rsqrt()
    return scale[:, None] * edges * scale[None, :]


def half(
    p: Mapping[str, Tensor],
    x: Tensor,
    tau: float,
    std: float,
    graph: Tensor | None,
    noise: tuple[Tensor, Tensor] | None,
    dropout: float = 0.0,
) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
    """Codes and log variances by factor, memberships and normalised vectors."""
    v = F.normalize(p["vectors"], dim=1)
    prototypes = F.normalize(p["prototypes"], dim=1)
    logits = v @ prototypes.T / tau
    c = logits.softmax(1) if noise is None else (logits - noise[0].log()).softmax(1)
    codes, variances = [], []
    for k in range(len(prototypes)):
        x_k = F.normalize(x * c[:, k], dim=1)
        h = x_k
        if graph is not None:
            h = h @ graph @ graph
        h = F.dropout((h + x_k) / 2, dropout) @ p["weight"] + p["bias"]
        d = v.shape[1]
        mu, log_variance = F.normalize(h[:, :d], dim=1), -h[:, d:]
        z = mu if noise is None else mu + std * noise[1][:, k] * torch.exp(log_variance / 2)
        codes.append(F.normalize(z, dim=1))
        variances.append(log_variance)
    return codes, variances, c, v


def attention(q: Tensor, k: Tensor) -> Tensor:
    """att(Q, K, K)."""
    distance = -(q.unsqueeze(2) - k.unsqueeze(1)).abs().sum(3)
    return (torch.bmm(q, k.transpose(1, 2)).tanh() * (distance - distance.mean(2, keepdim=True)).sigmoid()).bmm(k)


def decode(z: list[Tensor], c: Tensor, v: Tensor, tau: float) -> Tensor:
    """log p, by a plain sum of exponentials."""
    return torch.stack([c[:, k] * torch.exp(z[k] @ v.T / tau) for k in range(len(z))]).sum(0).log()


def cross_entropy(x: Tensor, log_p: Tensor) -> Tensor:
    return -(x * log_p.log_softmax(1)).sum(1).mean()


def divergence(variances: list[Tensor]) -> Tensor:
    return torch.stack([-0.5 * (1 + v - v.exp()).sum(1).mean() for v in variances]).sum()


def mutual_information(a: list[Tensor], b: list[Tensor]) -> Tensor:
    parts = []
    for k in range(len(a)):
        positive = -F.softplus(-(a[k] * b[k]).sum(1))
        negative = torch.stack([F.softplus((a[k] * b[j]).sum(1)) for j in range(len(a)) if j != k], 1).mean(1)
        parts.append((negative - positive).mean())
    return torch.stack(parts).mean()


def losses(
    rated: Mapping[str, Tensor],
    written: Mapping[str, Tensor] | None,
    x: Tensor,
    words: Tensor | None,
    graph: Tensor | None,
    words_graph: Tensor | None,
    noise: list[tuple[Tensor, Tensor]] | None,
    *,
    tau: float,
    std: float,
    kl_weight: float,
    text_weight: float,
    mi_weight: float,
    dropout: float = 0.0,
) -> tuple[dict[str, Tensor], Tensor]:
    """Each part of the objective, and the items' log scores ``(b, n_items)``."""
    codes, variances, c, v = half(rated, x, tau, std, graph, noise[0] if noise else None, dropout)
    out = {"kl": kl_weight * divergence(variances)}
    if written is not None and words is not None:
        other = half(written, words, tau, std, words_graph, noise[1] if noise else None, dropout)
        theirs, word_variances, word_c, word_v = other
        z_c, z_t = torch.stack(codes, 1), torch.stack(theirs, 1)
        of_words, of_ratings = attention(z_c, z_t).unbind(1), attention(z_t, z_c).unbind(1)
        codes = [a + b for a, b in zip(of_words, of_ratings, strict=True)]
        out["text"] = text_weight * cross_entropy(words, decode(codes, word_c, word_v, tau))
        out["text_kl"] = text_weight * kl_weight * divergence(word_variances)
        out["mi"] = mi_weight * mutual_information(list(of_ratings), list(of_words))
    log_p = decode(codes, c, v, tau)
    out["rating"] = cross_entropy(x, log_p)
    return out, log_p
