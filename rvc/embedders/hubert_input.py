"""How encoders of the HuBERT family come from samples to frames that know their place."""

from __future__ import annotations

from torch import Tensor, nn

from rvc.embedders.hubert_shape import ACTIVATIONS, Shape


class ConvLayer(nn.Module):
    """Convolution, optional norm, activation: (B, C, T) -> (B, C', T')."""

    def __init__(self, s: Shape, i: int) -> None:
        super().__init__()
        wide = s.conv_dim[i]
        before = s.conv_dim[i - 1] if i else 1
        self.conv = nn.Conv1d(before, wide, s.conv_kernel[i], s.conv_stride[i], bias=s.conv_bias)
        self.act = ACTIVATIONS[s.feat_extract_activation]
        self.layer_norm: nn.Module | None = None
        if s.feat_extract_norm == "layer":
            self.layer_norm = nn.LayerNorm(wide)
        elif i == 0:
            self.layer_norm = nn.GroupNorm(wide, wide)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if isinstance(self.layer_norm, nn.LayerNorm):
            x = self.layer_norm(x.transpose(1, 2)).transpose(1, 2)
        elif self.layer_norm is not None:
            x = self.layer_norm(x)
        return self.act(x)


class FrontEnd(nn.Module):
    """Samples to frames: (B, T) -> (B, F, C); one frame per 320 samples, 400 samples wide."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(ConvLayer(s, i) for i in range(len(s.conv_dim)))

    def forward(self, wave: Tensor) -> Tensor:
        x = wave[:, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x.transpose(1, 2)


class Projection(nn.Module):
    """Frames to the width of the transformer: (B, F, C) -> (B, F, W)."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        normed = s.feat_proj_layer_norm or s.model_type != "hubert"
        self.layer_norm = (
            nn.LayerNorm(s.conv_dim[-1], eps=s.layer_norm_eps) if normed else nn.Identity()
        )
        self.projection = nn.Linear(s.conv_dim[-1], s.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.projection(self.layer_norm(x))
        return projected


def position_conv(s: Shape, size: int) -> nn.Conv1d:
    """A grouped convolution from which frames learn their place among their neighbours."""
    groups = s.num_conv_pos_embedding_groups
    return nn.Conv1d(s.hidden_size, s.hidden_size, size, padding=size // 2, groups=groups)


class PositionConv(nn.Module):
    """Relative position from one wide grouped convolution; weight norm is folded when loading."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.conv = position_conv(s, s.num_conv_pos_embeddings)
        self.batch_norm = nn.BatchNorm1d(s.hidden_size) if s.conv_pos_batch_norm else nn.Identity()
        self.act = ACTIVATIONS[s.feat_extract_activation]

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        y = self.conv(self.batch_norm(x.transpose(1, 2)))
        return self.act(y[..., : x.shape[1]]).transpose(1, 2)


class PositionLayer(nn.Module):
    """One of Data2Vec's stacked position convolutions, with a norm that has no weights."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.conv = position_conv(s, s.conv_pos_kernel_size)
        self.norm = nn.LayerNorm(s.hidden_size, elementwise_affine=False)
        self.act = ACTIVATIONS[s.feat_extract_activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)))


class PositionStack(nn.Module):
    """Data2Vec's position: several narrow convolutions; padding is silenced between them."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PositionLayer(s) for _ in range(s.num_conv_pos_embeddings))

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        for layer in self.layers:
            x = layer(x) if keep is None else layer(x) * keep[..., None]
        return x
