"""Files of arrays: what their headers claim is checked, and nothing is cast in silence."""

import contextlib
import io
import sys
import zipfile

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from deepnrc.data.sets.tabular import read_tabular
from deepnrc.errors import ArgumentError, DeepNRCError

ONE = np.ones(3)


def npz(folder, **arrays):
    np.savez(folder / "t.npz", **arrays)
    return folder / "t.npz"


def hdf5(folder, **arrays):
    with h5py.File(folder / "t.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return folder / "t.h5"


def claiming(folder, shape, *, count=1, dtype="<f8", compress=zipfile.ZIP_DEFLATED):
    """An archive whose array has a header of this shape and a thousand bytes of content."""
    head = io.BytesIO()
    what = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, what)
    with zipfile.ZipFile(folder / "t.npz", "w", compress) as archive:
        for _ in range(count):
            archive.writestr("x.npy", head.getvalue() + bytes(1000))
    return folder / "t.npz"


def refused(path, message, **options):
    with pytest.raises(DeepNRCError, match=message):
        read_tabular(path, **{"targets": ["y"]} | options)


def test_names_that_two_arrays_claim(tmp_path):
    path = npz(tmp_path, **{"x": np.ones((3, 2)), "x[0]": ONE, "y": ONE})
    refused(
        path, r"t\.npz: columns must have different names; got 'x\[0\]' twice, in columns 1 and"
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path):
    refused(claiming(tmp_path, (125,), count=2), "different names; got 'x' twice")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (ONE * 1j, "'x' must hold real numbers; got complex128, a complex number: store its real"),
        (ONE > 0, "got bool, a truth value: pass booleans=True to read true as 1 and false as 0"),
        (np.array(["a", "b", "c"]), "got <U1, no number: store numbers, or leave it out with"),
        (np.array(["2020-01-01"] * 3, dtype="M8[D]"), r"got datetime64\[D\], a date or time: make"),
        (np.zeros(3, dtype=[("p", "f8")]), r"got \[\('p', '<f8'\)\], no number"),
        (
            np.array([1, 2, 2**53 + 1]),
            r"got 9007199254740993 in row 2, counted from 0, an integer b",
        ),
        (np.array([[1, 2**60 + 1]] * 3), r"got 1152921504606846977 in row 0"),
        (np.array([2**64 - 1] * 3, dtype="u8"), "got 18446744073709551615 in row 0"),
        (
            np.array([None] * 3),
            "array 'x' must hold numbers; got pickled objects, which can run any",
        ),
        (np.ones((3, 2, 2)), r"one or two axes \(rows, columns\); got shape \(3, 2, 2\) for 'x'"),
        (np.ones(4), "the same number of rows; got 4 in 'x', 3 in 'y'"),
    ],
)
def test_arrays_that_are_no_columns_of_numbers(tmp_path, array, message):
    refused(npz(tmp_path, x=array, y=ONE), message)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", ">f4", "i1", "u1", "i8", "u8", "<i2"])
def test_numbers_of_any_type(tmp_path, dtype):
    x = np.arange(6).reshape(3, 2).astype(dtype)
    raw = read_tabular(npz(tmp_path, x=x, y=ONE), targets="y")
    assert torch.equal(raw.inputs, torch.arange(6.0).double().reshape(3, 2))


def test_large_integers_that_float64_holds(tmp_path):
    x = np.array([2**53, -(2**62), 2**60])
    raw = read_tabular(npz(tmp_path, x=x, y=ONE), targets="y")
    assert raw.inputs.flatten().tolist() == [2.0**53, -(2.0**62), 2.0**60]


def test_truth_values_and_numbers_for_missing_ones(tmp_path):
    path = npz(tmp_path, x=np.array([[True], [False], [True]]), y=np.array([1.0, -1, 3]))
    raw = read_tabular(path, targets="y", booleans=True, na_values=-1, missing="drop")
    assert raw.inputs.tolist() == [[1], [1]]


def test_fortran_order_and_columns_by_number(tmp_path):
    x = np.asfortranarray(np.arange(6.0).reshape(3, 2))
    raw = read_tabular(npz(tmp_path, x=x, y=ONE), targets=["x[1]"], index="y")
    assert (raw.input_names, raw.inputs.flatten().tolist()) == (("x[0]",), [0, 2, 4])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (10**12, 4),
            r"t\.npz: array 'x' claims 32,000,000,000,000 bytes; at most [\d,]+, half of",
        ),
        ((1000, 4), r"'x' claims 32,000 bytes in its header \(shape \(1000, 4\) .* holds 1,000"),
        ((2**31, 2**31, 2**31), r"claims 79,228,162,514,264,337,593,543,950,336 bytes"),
    ],
)
def test_headers_that_claim_more_than_there_is(tmp_path, shape, message):
    refused(claiming(tmp_path, shape), message)
    content = zipfile.ZipFile(tmp_path / "t.npz").read("x.npy")
    (tmp_path / "t.npy").write_bytes(content)
    refused(
        tmp_path / "t.npy", message.replace("t\\.npz: array 'x'", "its array").replace("'x'", "")
    )


def test_an_archive_that_unpacks_to_more_than_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("deepnrc.data.access.sizes.largest", lambda: 10_000)
    refused(npz(tmp_path, x=np.zeros(100_000), y=ONE), r"claims 800,128 bytes|claims 800,000 bytes")
    refused(hdf5(tmp_path, x=np.zeros(100_000), y=ONE), r"'x' of shape .* claims 800,000 bytes")


def test_one_array_is_named_by_its_file(tmp_path):
    np.save(tmp_path / "values.npy", np.arange(6.0).reshape(3, 2))
    raw = read_tabular(tmp_path / "values.npy", targets="values[1]")
    assert (raw.input_names, raw.targets.flatten().tolist()) == (("values[0]",), [1, 3, 5])


def test_hdf5_arrays(tmp_path):
    raw = read_tabular(hdf5(tmp_path, **{"in/x": np.ones((3, 2)), "y": ONE}), targets="y")
    assert raw.input_names == ("in/x[0]", "in/x[1]")


def test_hdf5_links_are_not_followed(tmp_path):
    for link in (h5py.ExternalLink(str(tmp_path / "o.h5"), "x"), h5py.SoftLink("/y")):
        path = hdf5(tmp_path, y=ONE)
        with h5py.File(path, "a") as file:
            file["x"] = link
        refused(path, r"t\.h5: 'x' must be stored in this file under one name; got a link to")
    other = hdf5(tmp_path, x=ONE).rename(tmp_path / "o.h5")
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(other, "x", (3,))
    path = hdf5(tmp_path, y=ONE)
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("x", layout)
    refused(path, r"'x' must be stored in this file; got a reference to another file: leave")


def test_hdf5_that_claims_terabytes(tmp_path):
    path = hdf5(tmp_path, y=ONE)
    with h5py.File(path, "a") as file:
        file.create_dataset("x", (10**12, 2), "f8", chunks=(1000, 2))
    assert path.stat().st_size < 10_000
    refused(path, r"'x' of shape \(1000000000000, 2\) claims 16,000,000,000,000 bytes; at most")


@pytest.mark.parametrize("kind", ["npz", "npy", "safetensors", "h5"])
def test_damaged_files(tmp_path, kind):
    """Cut or changed at many places: read the same, or refused with the file's name."""
    path = tmp_path / f"t.{kind}"
    x, y = np.arange(6.0).reshape(3, 2), ONE
    targets = "y"
    if kind == "npz":
        npz(tmp_path, x=x, y=y)
    elif kind == "npy":
        np.save(path, x)
        targets = "t[1]"
    elif kind == "h5":
        hdf5(tmp_path, x=x, y=y)
    else:
        save_file({"x": torch.tensor(x), "y": torch.tensor(y)}, path)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        damaged[generator.integers(len(content))] ^= int(generator.integers(1, 256))
        if generator.random() < 0.3:
            damaged = damaged[: generator.integers(len(content))]
        path.write_bytes(damaged)
        with contextlib.suppress(DeepNRCError):  # any other error fails the test
            read_tabular(path, targets=targets)


def test_text_options_do_not_go_with_arrays(tmp_path):
    with pytest.raises(ArgumentError, match=r"sep must be left out for t\.npz, which is no text f"):
        read_tabular(npz(tmp_path, x=ONE, y=ONE), targets="y", sep=";")


def test_no_rows_and_no_arrays(tmp_path):
    refused(npz(tmp_path, x=np.zeros((0, 2)), y=np.zeros(0)), "must have rows of numbers; got none")
    refused(npz(tmp_path), "must hold arrays; got none")
    refused(hdf5(tmp_path), "must hold arrays; got none")


def test_without_h5py(tmp_path, monkeypatch):
    path = hdf5(tmp_path, x=ONE, y=ONE)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ArgumentError, match=r"needs h5py"):
        read_tabular(path, targets="y")


def test_safetensors_of_other_types(tmp_path):
    path = tmp_path / "t.safetensors"
    save_file({"x": torch.tensor([True, False]), "y": torch.ones(2)}, path)
    refused(path, "'x' must hold real numbers; got bool, a truth value")
    save_file({"x": torch.tensor([1, 2**53 + 1]), "y": torch.ones(2)}, path)
    refused(path, "got 9007199254740993 in row 1")
    save_file({"x": torch.tensor([1.5, 2]).bfloat16(), "y": torch.ones(2)}, path)
    assert read_tabular(path, targets="y").inputs.tolist() == [[1.5], [2]]
