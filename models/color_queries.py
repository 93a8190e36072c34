"""DDColor's color decoder: learned queries look at the features of three scales and answer with colors.

Attention is between the queries and the places of a scale, and among the queries: never among places, so its memory
grows with the pixels and not with their square.
Source: Kang et al., DDColor, 2023, section 3.3; its decoder is that of Cheng et al., Masked-attention Mask Transformer,
2022, without masks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEADS = 8
SCALES = 3
_TEMPERATURE = 10000.0
_EPS = 1e-6


@dataclass(frozen=True)
class QueryShape:
    """Hyper-parameters: number and width of the queries, layers, inner width of the feed-forward layers.

    `inside`: channels of the three scales, the coarsest first. `outside`: channels of the colors.
    """

    queries: int = 100
    width: int = 256
    layers: int = 9
    inner: int = 2048
    inside: tuple[int, ...] = (512, 512, 256)
    outside: int = 256


class Attention(nn.Module):
    """Attention of 8 heads, scaled by the root of their width; the keys of the state dict are PyTorch's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """N x Q x C, N x T x C, N x T x C -> N x Q x C."""
        width = queries.shape[-1]
        q, k, v = (
            _part(F.linear(x, self.in_proj_weight[start : start + width], self.in_proj_bias[start : start + width]))
            for x, start in zip((queries, keys, values), (0, width, 2 * width), strict=True)
        )
        # Scaled before the product, which in FP16 would else come nearer to the end of its range.
        weights_of_places = torch.softmax((q / math.sqrt(q.shape[-1])) @ k.transpose(2, 3), dim=-1)
        attended: Tensor = self.out_proj((weights_of_places @ v).transpose(1, 2).flatten(2))
        return attended


class CrossAttention(nn.Module):
    """The queries look at the places of one scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.multihead_attn = Attention(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, embedding: Tensor, source: Tensor, position: Tensor) -> Tensor:
        """Queries N x Q x C and their embedding, places N x T x C and their positions T x C -> N x Q x C."""
        out: Tensor = self.norm(x + self.multihead_attn(x + embedding, source + position, source))
        return out


class QueryAttention(nn.Module):
    """The queries look at one another."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = Attention(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """N x Q x C -> the same shape."""
        out: Tensor = self.norm(x + self.self_attn(x + embedding, x + embedding, x))
        return out


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between, beside the identity."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, inner)
        self.linear2 = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """N x Q x C -> the same shape."""
        out: Tensor = self.norm(x + self.linear2(F.relu(self.linear1(x))))
        return out


class ColorEmbedding(nn.Module):
    """Three linear layers with ReLUs between."""

    def __init__(self, width: int, outside: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, outside)])

    def forward(self, x: Tensor) -> Tensor:
        """N x Q x C -> N x Q x C'."""
        first, second, third = self.layers
        out: Tensor = third(F.relu(second(F.relu(first(x)))))
        return out


class ColorDecoder(nn.Module):
    """Features of three scales -> the colors that the queries found."""

    def __init__(self, shape: QueryShape) -> None:
        super().__init__()
        self.query_feat = nn.Embedding(shape.queries, shape.width)
        self.query_embed = nn.Embedding(shape.queries, shape.width)
        self.level_embed = nn.Embedding(SCALES, shape.width)
        self.input_proj = nn.ModuleList(nn.Conv2d(inside, shape.width, 1) for inside in shape.inside)
        layers = range(shape.layers)
        self.transformer_self_attention_layers = nn.ModuleList(QueryAttention(shape.width) for _ in layers)
        self.transformer_cross_attention_layers = nn.ModuleList(CrossAttention(shape.width) for _ in layers)
        self.transformer_ffn_layers = nn.ModuleList(FeedForward(shape.width, shape.inner) for _ in layers)
        self.decoder_norm = nn.LayerNorm(shape.width)
        self.color_embed = ColorEmbedding(shape.width, shape.outside)

    def forward(self, scales: list[Tensor]) -> Tensor:
        """N x C x H x W of each scale, the coarsest first -> N x Q x C', the colors."""
        sources, positions = [], []
        for index, (scale, project) in enumerate(zip(scales, self.input_proj, strict=True)):
            source = project(scale).flatten(2).transpose(1, 2)
            sources.append(source + self.level_embed.weight[index])
            positions.append(encode_positions(scale.shape[2], scale.shape[3], source.shape[2]))
        x, embedding = self.query_feat.weight[None], self.query_embed.weight[None]
        stacks = (
            self.transformer_cross_attention_layers,
            self.transformer_self_attention_layers,
            self.transformer_ffn_layers,
        )
        for index, (cross, among, feed) in enumerate(zip(*stacks, strict=True)):
            level = index % SCALES
            x = feed(among(cross(x, embedding, sources[level], positions[level]), embedding))
        colors: Tensor = self.color_embed(self.decoder_norm(x))
        return colors


def encode_positions(height: int, width: int, channels: int) -> Tensor:
    """Return the encoding of each place of a scale, row by row: (height width) x channels float32.

    The first half of the channels is of the row, the second of the column, counted from 1 and scaled to 2 pi; sines
    and cosines alternate, each pair of a longer wave than the one before. It depends on the size alone: a graph of a
    fixed size holds it as a constant.
    Source: Carion et al., DETR, 2020.
    """
    half = channels // 2
    waves = _TEMPERATURE ** (2 * (np.arange(half) // 2) / half)

    def encode(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        angles = (2 * math.pi * np.arange(1, count + 1) / (count + _EPS))[:, None] / waves
        return np.where(np.arange(half) % 2 == 0, np.sin(angles), np.cos(angles))

    rows = np.broadcast_to(encode(height)[:, None], (height, width, half))
    columns = np.broadcast_to(encode(width)[None], (height, width, half))
    joined = np.concatenate([rows, columns], axis=2).reshape(height * width, channels)
    return torch.from_numpy(joined.astype(np.float32))


def _part(x: Tensor) -> Tensor:
    """N x T x C -> N x 8 x T x C / 8."""
    return x.reshape(x.shape[0], x.shape[1], HEADS, -1).transpose(1, 2)
