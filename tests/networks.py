"""Small networks of many kinds for the tests."""

import torch
from torch import nn

from helpers import seeded


class Pooled(nn.Module):
    """A convolution, the global average, a linear head."""

    def __init__(self, convolution):
        super().__init__()
        self.conv = convolution
        self.head = nn.Linear(convolution.out_channels, 2)

    def forward(self, x):
        return self.head(self.conv(x).flatten(2).mean(2))


class Repeated(nn.Module):
    """One layer called three times in a forward, registered under two names."""

    def __init__(self):
        super().__init__()
        self.block = nn.Linear(8, 8)
        self.alias = self.block
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        for _ in range(2):
            x = torch.tanh(self.block(x))
        return self.head(torch.tanh(self.alias(x)))


class Tokens(nn.Module):
    """Positions (samples, T, d) through a linear layer, averaged before the head."""

    def __init__(self):
        super().__init__()
        self.token = nn.Linear(8, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(torch.relu(self.token(x)).mean(1))


class PerPosition(nn.Module):
    """Positions (samples, T, d) through two linear layers."""

    def __init__(self):
        super().__init__()
        self.token = nn.Linear(8, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(torch.relu(self.token(x)))


class Encoder(nn.Module):
    """Two transformer layers, averaged over the positions before the head."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(8, 2)

    def forward(self, x, mask=None):
        return self.head(self.encoder(x, src_key_padding_mask=mask).mean(1))


class Simplex(nn.Module):
    """Class means on an exact simplex ETF, read by itself."""

    def __init__(self, C=4, d=6):
        super().__init__()
        with seeded():
            basis = torch.linalg.qr(torch.randn(d, C, dtype=torch.float64)).Q
        means = (torch.eye(C, dtype=torch.float64) - 1 / C) @ basis.T
        self.embed = nn.Linear(C, d, bias=False, dtype=torch.float64)
        self.read = nn.Linear(d, C, bias=False, dtype=torch.float64)
        with torch.no_grad():
            self.embed.weight.copy_(means.T)
            self.read.weight.copy_(3 * means)

    def forward(self, x):
        return self.read(self.embed(x))


class Mixer(nn.Module):
    """Uses the weight of out_proj directly, and one that is not known how."""

    def __init__(self):
        super().__init__()
        self.mixing = nn.Parameter(torch.randn(8, 8) / 8)
        self.out_proj = nn.Linear(8, 8)

    def forward(self, x):
        return nn.functional.linear(x @ self.mixing, self.out_proj.weight, self.out_proj.bias)


class MixerBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attn = Mixer()
        self.linear1, self.linear2 = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        x = x + self.self_attn(x)
        return x + self.linear2(self.linear1(x).relu())


def attended():
    """A block of which one layer's weight is used directly: the layer is not called."""
    with seeded():
        return nn.Sequential(MixerBlock(), nn.Flatten(), nn.Linear(40, 2))
