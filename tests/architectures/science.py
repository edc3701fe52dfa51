"""Operators, graphs, experts, policies: what reaches the layers in other ways."""

import numpy as np
import torch
from torch import nn

import deepnrc
from architectures.alone import alone
from architectures.arithmetic import array, batches, data, linear, made, matrix
from architectures.case import Known, Right, case
from architectures.vision import layers_of
from helpers import seeded

FAMILY = "Science, graphs and control"


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower, self.head = nn.Linear(4, 6), nn.Linear(12, 2)

    def forward(self, a, b):
        return self.head(torch.cat([self.tower(a), self.tower(b)], 1).tanh())


@case("Siamese", FAMILY, "one tower for two inputs: its rows are those of both")
def siamese():
    model = made(Siamese)
    x, y = data()
    a, b = array(x[:, :4]), array(x[:, 4:])
    h = np.tanh(np.concatenate([linear(model.tower, a), linear(model.tower, b)], 1))
    owners = np.tile(np.arange(60), 2)
    known = {
        "tower": Known(np.concatenate([a, b]), matrix(model.tower), owners),
        "head": Known(h, matrix(model.head)),
    }
    pairs = [((a[:, :4], a[:, 4:]), b) for a, b in batches(x, y)]
    return Right(lambda: deepnrc.measure(model, pairs), known, y, linear(model.head, h))


class Experts(nn.Module):
    """Each sample passes one of two experts."""

    def __init__(self):
        super().__init__()
        self.router, self.head = nn.Linear(8, 2), nn.Linear(6, 2)
        self.experts = nn.ModuleList([nn.Linear(8, 6), nn.Linear(8, 6)])

    def forward(self, x):
        choice, out = self.router(x).argmax(1), torch.zeros(len(x), 6, dtype=x.dtype)
        for number, expert in enumerate(self.experts):
            chosen = (choice == number).nonzero().flatten()
            out.index_add_(0, chosen, expert(x[chosen]).tanh())
        return self.head(out)


def experts(reduce):
    model = made(Experts)
    x, y = data()
    choice = linear(model.router, array(x)).argmax(1)
    out = np.zeros((60, 6))
    known = {"router": Known(array(x), matrix(model.router))}
    for number, expert in enumerate(model.experts):
        chosen = np.flatnonzero(choice == number)
        out[chosen] = np.tanh(linear(expert, array(x)[chosen]))
        name = f"experts.{number}"
        known[name] = Known(role="unpaired")
        if reduce != "mean":
            known[name] = Known(array(x)[chosen], matrix(expert), chosen)
    known["head"] = Known(out, matrix(model.head))
    return Right(
        lambda: deepnrc.measure(
            model, batches(x, y), reduce=reduce(model) if callable(reduce) else reduce
        ),
        known,
        y,
        linear(model.head, out),
    )


@case("Mixture of experts", FAMILY, "experts see some samples: undefined; the rest is right")
def experts_unpaired():
    return experts("mean")


@case("Mixture of experts, reduce=", FAMILY, "a function says which samples each expert sees")
def experts_paired():
    def reduce(model):
        def rows(name, activation, batch):
            if not name.startswith("experts"):
                return activation
            with torch.no_grad():
                choice = model.router(batch[0]).argmax(1)
            return activation, (choice == int(name[-1])).nonzero().flatten()

        return rows

    return experts(reduce)


class DeepONet(nn.Module):
    """A branch of the function, a trunk of fixed places: their product is the answer there."""

    def __init__(self, places=4):
        super().__init__()
        self.branch, self.trunk, self.mix = nn.Linear(8, 6), nn.Linear(1, 6), nn.Linear(6, 6)
        self.register_buffer("grid", torch.linspace(0, 1, places)[:, None])

    def forward(self, x):
        return torch.tanh(self.mix(self.branch(x).tanh())) @ torch.tanh(self.trunk(self.grid)).T


@case("DeepONet", FAMILY, "the trunk sees places, not samples: undefined")
def deep_o_net():
    model = made(DeepONet)
    x, y = data(60, 8, 4)
    b = np.tanh(linear(model.branch, array(x)))
    basis = np.tanh(linear(model.trunk, array(model.grid)))
    known = {
        "branch": Known(array(x), matrix(model.branch)),
        "trunk": Known(role="unpaired"),
        "mix": Known(b, matrix(model.mix)),
    }
    predictions = np.tanh(linear(model.mix, b)) @ basis.T
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, predictions)


class Fourier(nn.Module):
    """A Fourier layer of complex weights between pointwise layers."""

    def __init__(self):
        super().__init__()
        self.lift, self.skip, self.head = nn.Linear(2, 6), nn.Conv1d(6, 6, 1), nn.Linear(6, 2)
        self.weight = nn.Parameter(torch.randn(6, 6, 3, dtype=torch.complex128))

    def forward(self, x):
        h = self.lift(x).transpose(1, 2)
        modes = torch.fft.rfft(h)[..., :3]
        mixed = torch.fft.irfft(torch.einsum("bik,iok->bok", modes, self.weight), n=h.shape[-1])
        return self.head(torch.tanh(mixed + self.skip(h)).mean(2))


@case("Fourier neural operator", FAMILY, "complex weights beside real layers, which are right")
def fourier():
    model = made(Fourier)
    x, y = data(39, 2, shape=(13,))
    modules = layers_of(model)
    seen = alone(model, [x[i : i + 1] for i in range(39)], lambda m, x: m(x), modules)
    return Right(
        lambda: deepnrc.measure(model, batches(x, y, 13)),
        {name: seen.known(name, module) for name, module in modules.items()},
        y,
        np.concatenate(seen.predictions),
        says=("not measured",),
    )


class Hyper(nn.Module):
    """A network that writes the weights of another one, for each sample."""

    def __init__(self):
        super().__init__()
        self.read, self.write, self.head = nn.Linear(4, 6), nn.Linear(6, 20), nn.Linear(5, 2)

    def forward(self, x):
        weights = self.write(self.read(x[:, 4:]).tanh()).unflatten(1, (5, 4))
        return self.head(torch.einsum("boi,bi->bo", weights, x[:, :4]).tanh())


@case("Hypernetwork", FAMILY, "weights made for each sample are no layer; what makes them is one")
def hyper():
    model = made(Hyper)
    x, y = data()
    h = np.tanh(linear(model.read, array(x)[:, 4:]))
    weights = linear(model.write, h).reshape(60, 5, 4)
    g = np.tanh(np.einsum("boi,bi->bo", weights, array(x)[:, :4]))
    rows = {"read": array(x)[:, 4:], "write": h, "head": g}
    known = {name: Known(value, matrix(getattr(model, name))) for name, value in rows.items()}
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, linear(model.head, g))


class Spline(nn.Module):
    """A layer of a Kolmogorov–Arnold network: a weight for each basis function of each input."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.coefficients = nn.Parameter(torch.randn(outputs, inputs, 3))

    def basis(self, x):
        return torch.stack([x, x.sin(), (2 * x).sin()], -1)

    def forward(self, x):
        return torch.einsum("oif,...if->...o", self.coefficients, self.basis(x))


@case("KAN by register_layer", FAMILY, "rows are the basis functions")
def kan():
    model = made(lambda: nn.Sequential(Spline(4, 5), nn.Tanh(), Spline(5, 2)))
    deepnrc.register_layer(
        Spline,
        weight=lambda layer: layer.coefficients.flatten(1),
        rows=lambda layer, x: layer.basis(x).flatten(-2),
    )
    x, y = data(60, 4)
    with torch.no_grad():
        h, known = x, {}
        for name, layer in model.named_children():
            if isinstance(layer, Spline):
                rows = array(layer.basis(h).flatten(1))
                known[name] = Known(rows, array(layer.coefficients.flatten(1)))
            h = layer(h)
    return Right(lambda: deepnrc.measure(model, batches(x, y)), known, y, array(h))


@case("Graph network", FAMILY, "layers of nodes pooled by graph, the samples from reduce=",
      needs="torch_geometric")  # fmt: skip
def graphs():
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader
    from torch_geometric.nn import global_mean_pool

    class Graphs(nn.Module):
        def __init__(self):
            super().__init__()
            self.node, self.mix, self.head = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, graph):
            h = self.node(graph.x).tanh()
            h = h + torch.zeros_like(h).index_add(0, graph.edge_index[1], h[graph.edge_index[0]])
            return self.head(global_mean_pool(self.mix(h).tanh(), graph.batch))

    model, rng = made(Graphs), np.random.default_rng(0)
    found, y = [], torch.from_numpy(rng.standard_normal((30, 2)))
    for i in range(30):
        nodes = int(rng.integers(2, 6))
        x = torch.from_numpy(rng.standard_normal((nodes, 4)))
        edges = torch.from_numpy(rng.integers(0, nodes, (2, 2 * nodes)))
        found.append(Data(x=x, edge_index=edges, y=y[i : i + 1]))

    def rows(name, activation, batch):
        return activation if name == "head" else (activation, batch.batch)

    modules = layers_of(model)
    single = [next(iter(DataLoader([one], batch_size=1))) for one in found]
    seen = alone(model, single, lambda m, x: m(x), modules)
    return Right(
        lambda: deepnrc.measure(model, DataLoader(found, batch_size=10), reduce=rows),
        {name: seen.known(name, module, "samples") for name, module in modules.items()},
        y,
        np.concatenate(seen.predictions),
    )


def policy(algorithm, env="Pendulum-v1", **facts):
    """A policy of stable-baselines3 on observations of three numbers."""
    import stable_baselines3

    kind = getattr(stable_baselines3, algorithm)
    made_by = kind("MlpPolicy", env, policy_kwargs={"net_arch": [12, 10]}, seed=0, **facts)
    model = made_by.policy.eval()  # it casts observations to float32
    with torch.no_grad(), seeded():
        for weight in model.parameters():  # as initialized, no direction of a weight leads
            weight += 0.1 * torch.randn_like(weight)
    return model


@case(
    "SAC policy",
    FAMILY,
    "its actor; critics are never called",
    needs="stable_baselines3",
    slow=True,
)
def sac():
    model = policy("SAC", buffer_size=10)
    x, y = data(60, 3, 1)
    actor = model.actor
    h1 = np.maximum(linear(actor.latent_pi[0], array(x)), 0)
    h2 = np.maximum(linear(actor.latent_pi[2], h1), 0)
    known = {
        "actor.latent_pi.0": Known(array(x), matrix(actor.latent_pi[0])),
        "actor.latent_pi.2": Known(h1, matrix(actor.latent_pi[2])),
        "actor.mu": Known(h2, matrix(actor.mu)),
        "actor.log_std": Known(h2, matrix(actor.log_std), role="side"),
    }
    for name in layers_of(model):
        if name not in known:
            known[name] = Known(role="uncalled")
    return Right(
        lambda: deepnrc.measure(
            model,
            batches(x.float(), y),
            forward=lambda m, x: m.actor.get_action_dist_params(x)[0],
            precision="double",
        ),
        known,
        y,
        linear(actor.mu, h2),
        rtol=1e-4,
    )


@case("TD3 policy", FAMILY, "the actor and its target share names, not calls",
      needs="stable_baselines3", slow=True)  # fmt: skip
def td3():
    model = policy("TD3", buffer_size=10)
    x, y = data(60, 3, 1)
    h, known = array(x), {}
    for number in (0, 2, 4):
        layer = model.actor.mu[number]
        known[f"actor.mu.{number}"] = Known(h, matrix(layer))
        h = linear(layer, h)
        h = np.maximum(h, 0) if number < 4 else np.tanh(h)
    for name in layers_of(model):
        if name not in known:
            known[name] = Known(role="uncalled")
    return Right(
        lambda: deepnrc.measure(
            model, batches(x.float(), y), forward=lambda m, x: m.actor(x), precision="double"
        ),
        known,
        y,
        h,
        rtol=1e-4,
    )


@case("PPO policy", FAMILY, "actor and critic run together; the value is beside",
      needs="stable_baselines3", slow=True)  # fmt: skip
def ppo():
    model = policy("PPO", n_steps=8, batch_size=8)
    x, y = data(60, 3, 1)
    known = {}
    for part, last, role in (
        ("policy", model.action_net, "path"),
        ("value", model.value_net, "side"),
    ):
        net, h = getattr(model.mlp_extractor, f"{part}_net"), array(x)
        for number in (0, 2):
            known[f"mlp_extractor.{part}_net.{number}"] = Known(h, matrix(net[number]), role=role)
            h = np.tanh(linear(net[number], h))
        name = "action_net" if part == "policy" else "value_net"
        known[name] = Known(h, matrix(last), role=role)
        predictions = linear(last, h) if part == "policy" else predictions

    def forward(model, x):
        pi, value = model.mlp_extractor(x)
        return model.action_net(pi), model.value_net(value)

    return Right(
        lambda: deepnrc.measure(
            model, batches(x.float(), y), forward=forward, output=0, precision="double"
        ),
        known,
        y,
        predictions,
        rtol=1e-4,
    )
