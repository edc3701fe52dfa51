"""Every public name exists and is documented; importing the package is quick and has no effect."""

import importlib
import pkgutil
import types

import pytest

import deepnrc
from helpers import in_plain_python

HEAVY = ("pandas", "matplotlib", "rich", "typer", "pydantic", "h5py", "pyarrow")
HEAVY += ("gymnasium", "mujoco", "transformers", "scipy", "numba")


def modules():
    found = pkgutil.walk_packages(deepnrc.__path__, "deepnrc.")
    return ["deepnrc", *(m.name for m in found if not m.name.endswith("__main__"))]


@pytest.mark.parametrize("name", modules())
def test_all_exists_and_names_nothing_twice(name):
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None)
    if public is None:  # only where nothing is defined
        defined = [x for x, v in vars(module).items() if getattr(v, "__module__", "") == name]
        assert [x for x in defined if not x.startswith("_")] == []
        return
    assert len(set(public)) == len(public)
    for member in public:
        assert hasattr(module, member)


def test_the_package_exports_exactly_its_all():
    exported = {
        name
        for name, value in vars(deepnrc).items()
        if not name.startswith("_")
        and not (isinstance(value, types.ModuleType) and name not in deepnrc.__all__)
    }
    assert exported == set(deepnrc.__all__) - {"__version__"}


def test_everything_exported_says_what_it_is():
    for name in deepnrc.__all__:
        if name != "__version__":
            assert getattr(deepnrc, name).__doc__, name


def importing():
    """What a fresh Python reports on importing the package and measuring with it."""
    out = in_plain_python(f"""
        import gc, logging, random, sys, time, warnings
        import numpy, torch
        before = set(sys.modules)
        state = lambda: (
            torch.get_rng_state().tolist(), random.getstate(), str(numpy.random.get_state()),
            torch.get_num_threads(), torch.get_num_interop_threads(), torch.get_default_dtype(),
            torch.is_grad_enabled(), torch.get_float32_matmul_precision(),
            logging.root.level, list(logging.root.handlers), list(warnings.filters),
            sys.stdout, sys.stderr, list(sys.path),
        )
        was = state()
        gc.freeze()  # else collecting torch's objects, 0.1 s, may fall into the import
        start = time.process_time()
        import deepnrc
        print("seconds", time.process_time() - start)
        print("unchanged", state() == was)
        logger = logging.getLogger("deepnrc")
        print("logger", logger.level, logger.handlers, logger.propagate)
        from helpers import regression_data, small_network
        print("samples", deepnrc.measure(small_network(), [regression_data(40)]).samples)
        heavy = {(*HEAVY, "torch._dynamo")!r}
        print("heavy", [name for name in heavy if name in sys.modules and name not in before])
    """)
    return dict(line.split(" ", 1) for line in out.splitlines())


def test_importing_is_quick_and_changes_nothing():
    told = importing()
    # It takes 0.2 s on an idle machine; a busy one gets two more tries.
    seconds = [float(told["seconds"])]
    while min(seconds) >= 0.3 and len(seconds) < 3:
        seconds.append(float(importing()["seconds"]))
    assert min(seconds) < 0.3
    assert told["unchanged"] == "True"
    assert told["logger"] == "0 [] True"
    assert told["samples"] == "40"
    assert told["heavy"] == "[]"  # nor does measuring import any
