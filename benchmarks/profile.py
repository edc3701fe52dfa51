"""Where the time of one measurement goes; docs/cost.md uses it to explain missed goals."""

import time
import unittest.mock
from collections import defaultdict
from typing import Any

from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.cases import Case
from benchmarks.timing import plain, seconds
from deepnrc.activations.input_hooks import InputHooks
from deepnrc.passes.collect import collect
from deepnrc.passes.collection import Collection
from deepnrc.results.measure import evaluate


def _kind(name: str, shapes: list[Any]) -> str | None:
    """Part of the work that a torch operation belongs to, by its name and its operands' shapes."""
    if name in ("aten::linalg_qr", "aten::triu"):
        return "basis and folding"
    if name in ("aten::addmm_", "aten::addmm"):
        return "deflation (C = XU, R = X - CU')"
    if name == "aten::mm" and len(shapes) >= 2 and shapes[0] and shapes[1]:
        (p, n), (_, q) = shapes[0], shapes[1]
        if n >= 512 and p == q and p < 64:
            return "float64 inner products"
        if p >= 512 and q <= 32:
            return "deflation (C = XU, R = X - CU')"
        if p <= 128 and n >= 512 and q > p // 2:
            return "gram and side products"
        return "the network's products, folding"
    if name in ("aten::index_select", "aten::amax", "aten::amin"):
        return "dead units"
    if name == "aten::sub":
        return "centering (put)"
    if name == "aten::add_":
        return "float64 sums"
    return None


def print_profile(case: Case) -> None:
    """Print the seconds of each part and their share of the plain pass.

    One run times the stages between plain passes. Another, under a profiler that slows it by a few
    per cent, times the operations.
    """
    spent: dict[str, float] = defaultdict(float)
    receive = InputHooks.__init__

    def timed_init(self: InputHooks, layers: Any, function: Any, wants: Any = None) -> None:
        def timed(name: str, x: Tensor) -> None:
            spent["accumulators"] += seconds(lambda: function(name, x))

        receive(self, layers, timed, wants)

    def forward(model: nn.Module, x: Any) -> Any:
        start = time.perf_counter()
        out = model(x)
        spent["forward"] += time.perf_counter() - start
        return out

    def run(**options: Any) -> Collection:
        return collect(case.model, case.loader, progress=False, **options)

    evaluate(run())
    before = seconds(lambda: plain(case.model, case.loader))
    with unittest.mock.patch.object(InputHooks, "__init__", timed_init):
        start = time.perf_counter()
        collection = run(forward=forward)
        spent["pass"] = time.perf_counter() - start
    spent["evaluation"] = seconds(lambda: evaluate(collection))
    base = (before + seconds(lambda: plain(case.model, case.loader))) / 2
    slower = spent["forward"] - spent["accumulators"] - base
    rest = spent["pass"] - spent["forward"]
    print(f"{case.name}: plain {base:.3f} s, pass {spent['pass']:.3f} s")
    for name, value in (
        ("accumulators", spent["accumulators"]),
        ("forward slower by", slower),
        ("batches, error, finish", rest),
        ("evaluation (eigenvalues, ranks)", spent["evaluation"]),
    ):
        print(f"  {name:34s} {value:7.3f} s  {100 * value / base:5.1f} % of plain")
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as recorded:
        run()
    parts: dict[str, float] = defaultdict(float)
    for event in recorded.key_averages(group_by_input_shape=True):
        kind = _kind(event.key, event.input_shapes)
        if kind:
            parts[kind] += event.self_cpu_time_total / 1e6
    print("  operations of the pass, by the profiler")
    for kind, value in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"    {kind:32s} {value:7.3f} s  {100 * value / base:5.1f} % of plain")
