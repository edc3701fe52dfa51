"""Files of tensors: everything comes back bit for bit, and any change to the file is noticed."""

import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from deepnrc.errors import FileError
from deepnrc.storage.tensors import read_tensors, write_tensors

LAYOUT = "deepnrc-test-2"
FACTS = {"note": "µ", "epoch": 2}


@pytest.fixture
def tensors():
    return {"a": torch.tensor([[1.0, -2.5]]), "b": torch.tensor([3, 4, 5])}


@pytest.fixture
def path(tmp_path, tensors):
    file = tmp_path / "set.safetensors"
    write_tensors(file, LAYOUT, tensors, FACTS)
    return file


def read(path, layout=LAYOUT, **options):
    return read_tensors(path, layout, advice="do this", **options)


def header(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["deepnrc"])


def test_round_trip(path, tensors):
    loaded, facts = read(path)
    assert facts == FACTS
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3).T,  # a view is stored as what it shows
        torch.ones(3, dtype=torch.bfloat16),
        torch.tensor([True, False]),
        torch.tensor(3.5),
        torch.zeros(0, 4),
        torch.zeros(2, requires_grad=True),
    ],
)
def test_every_kind_of_tensor(tmp_path, tensor):
    write_tensors(tmp_path / "x", LAYOUT, {"x": tensor}, {})
    loaded = read(tmp_path / "x")[0]["x"]
    assert loaded.dtype == tensor.dtype
    assert loaded.shape == tensor.shape
    assert torch.equal(loaded, tensor)


def test_other_programs_read_it(path, tensors):
    loaded = load_file(path)
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)


def test_same_content_same_bytes(path, tmp_path, tensors):
    again = tmp_path / "again"
    write_tensors(again, LAYOUT, dict(reversed(tensors.items())), dict(reversed(FACTS.items())))
    assert again.read_bytes() == path.read_bytes()


def test_what_was_read_does_not_depend_on_the_file(path, tensors):
    loaded, _ = read(path)
    size = path.stat().st_size
    with path.open("r+b") as file:  # in place, as a new file would not touch mapped memory
        file.write(bytes(size))
    assert torch.equal(loaded["a"], tensors["a"])


def test_a_full_disk_keeps_the_old_file(path, file_size_limit):
    before = path.read_bytes()
    with file_size_limit(100), pytest.raises(FileError, match="the disk or quota is full"):
        write_tensors(path, LAYOUT, {"a": torch.zeros(300)}, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("flip", [0x01, 0x0F, 0x10])  # 0x0F makes the type F32 an I32
def test_every_altered_byte_is_noticed(path, flip):
    content = path.read_bytes()
    for place in range(len(content)):
        altered = bytearray(content)
        altered[place] ^= flip
        path.write_bytes(altered)
        with pytest.raises(FileError, match=r"set\.safetensors'.*do this"):
            read(path)


@pytest.mark.parametrize("options", [{}, {"tensors_only_layout": "deepnrc-test-1"}])
@pytest.mark.parametrize(
    ("changed", "facts"),
    [
        ({"a": torch.tensor([[1.0, -2.0]])}, FACTS),
        ({"a": torch.tensor([[1.0, -2.5]]).view(torch.int32)}, FACTS),
        ({"a": torch.tensor([[1.0], [-2.5]])}, FACTS),
        ({"a": torch.tensor([1.0, -2.5])}, FACTS),
        ({"c": torch.zeros(0)}, FACTS),
        ({}, FACTS | {"epoch": 3}),
        ({}, {"epoch": 2}),
        ({}, FACTS | {"more": 1}),
    ],
    ids=["content", "type", "shape", "dimensions", "name", "epoch", "fact removed", "fact added"],
)
def test_a_changed_tensor_or_fact_under_the_old_digest_is_noticed(
    path, tensors, changed, facts, options
):
    """Each of these leaves all bytes of the tensors, or all facts, as they were."""
    old = header(path)
    metadata = {"deepnrc": json.dumps({**old, "description": facts})}
    path.write_bytes(save({**tensors, **changed}, metadata=metadata))
    message = r"set\.safetensors' was altered after it was written: its SHA-256 .*; do this"
    with pytest.raises(FileError, match=message):
        read(path, **options)
    path.write_bytes(save(tensors, metadata={"deepnrc": json.dumps(old)}))
    read(path, **options)


def test_two_tensors_that_changed_names_are_noticed(path, tensors):
    one, two = torch.zeros(2), torch.ones(2)
    write_tensors(path, LAYOUT, {"one": one, "two": two}, {})
    path.write_bytes(save({"one": two, "two": one}, metadata={"deepnrc": json.dumps(header(path))}))
    with pytest.raises(FileError, match="was altered"):
        read(path)


def test_every_truncation_is_noticed(path):
    content = path.read_bytes()
    message = r"set\.safetensors' is not a complete safetensors file \(.*\): .*; do this"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(FileError, match=message):
            read(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match=r"there is no file '.*gone': do this"):
        read(tmp_path / "gone")


def test_a_folder_instead_of_a_file(tmp_path):
    with pytest.raises(FileError, match=r"' is not a file: do this"):
        read(tmp_path)


def test_a_file_from_elsewhere(tmp_path, tensors):
    save_file(tensors, tmp_path / "other")
    message = r"other' has the layout None; expected 'deepnrc-test-2': do this"
    with pytest.raises(FileError, match=message):
        read(tmp_path / "other")


def test_another_layout(path):
    message = r"has the layout 'deepnrc-test-2'; expected 'deepnrc-test-3': do this"
    with pytest.raises(FileError, match=message):
        read(path, "deepnrc-test-3", tensors_only_layout="deepnrc-test-1")


def older_file(path, tensors, header):
    path.write_bytes(save(tensors, metadata={"deepnrc": json.dumps(header)}))


def test_a_data_set_of_an_earlier_version_is_read_and_written_alike(tmp_path):
    """Its digest is the one that this version writes, so provenances that name it hold."""
    old = {
        "description": {"a": "µ", "b": 1},
        "layout": "deepnrc-data-1",
        "sha256": "e6fa664fde76a80244d3f1563d1e58d9245d23ab9e51dd71fd3f4d81f747cabc",
    }
    older_file(tmp_path / "old", {"x": torch.arange(3.0)}, old)
    tensors, facts = read(tmp_path / "old", "deepnrc-data-1")
    assert torch.equal(tensors["x"], torch.arange(3.0))
    assert facts == {"a": "µ", "b": 1}
    write_tensors(tmp_path / "new", "deepnrc-data-1", tensors, facts)
    assert header(tmp_path / "new") == old


def test_a_checkpoint_of_an_earlier_version_is_read(tmp_path):
    """Its digest was over the tensors alone, and its facts were entries of the header."""
    old = {
        "epoch": 7,
        "layout": "deepnrc-training-1",
        "sha256": "6627c804afa31a36bec982af9811bbf8f7359be5b0afd42c0c484489cea29179",
    }
    stored = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}
    layouts = {"layout": "deepnrc-training-2", "tensors_only_layout": "deepnrc-training-1"}
    path = tmp_path / "old"
    older_file(path, stored, old)
    tensors, facts = read(path, **layouts)
    assert facts == {"epoch": 7}
    assert all(torch.equal(tensors[name], stored[name]) for name in stored)
    older_file(path, {**stored, "weight": torch.tensor([[1.0], [2.0]])}, old)
    with pytest.raises(FileError, match="was altered"):
        read(path, **layouts)
    with pytest.raises(FileError, match="has the layout 'deepnrc-training-1'; expected"):
        read(path, "deepnrc-training-2")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("[]", "has the layout None; expected 'things-1': do this"),
        ("{", "is not complete JSON"),
        ('{"layout": ["\\u001b"]}', r"has the layout \['\\x1b'\]; expected 'things-1'"),
        ('{"layout": "things-1"}', "was altered after it was written"),
        ('{"layout": "things-1", "description": []}', "was altered after it was written"),
        ('{"layout": "things-1", "description": {"a": 1e999}}', "was altered after it was"),
        ('{"layout": "things-1", "description": {"a": NaN}}', "NaN is not a number of JSON"),
        ("[" * 9999, "is nested more than 64 deep"),
    ],
)
def test_a_header_that_is_something_else_is_named(tmp_path, header, message):
    save_file({"a": torch.zeros(2)}, tmp_path / "a", metadata={"deepnrc": header})
    with pytest.raises(FileError, match=message):
        read_tensors(tmp_path / "a", "things-1", advice="do this")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match=r"pipe' is not a file: do this"):
        read_tensors(tmp_path / "pipe", "things-1", advice="do this")
