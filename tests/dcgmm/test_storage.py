"""Files: whole or not at all, readable by others, and no changed bit passes."""

import os

import numpy as np
import pytest

from dcgmm.storage import (
    DamagedFileError,
    array_digest,
    atomic_path,
    read_json,
    read_tensors,
    write_bytes,
    write_json,
    write_tensors,
    write_text,
)

TENSORS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array(7, np.int64),
    "c": np.zeros((0, 2)),
    "d": np.arange(6.0).reshape(2, 3).T,
}
DESCRIPTION = {"seed": 3, "rows": [[1, 0.5]], "name": "Ω"}


def test_tensors_and_json_come_back(tmp_path):
    path = tmp_path / "new" / "x.safetensors"
    write_tensors(path, TENSORS, DESCRIPTION)
    tensors, description = read_tensors(path)
    assert description == DESCRIPTION and tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype
    write_json(tmp_path / "x.json", DESCRIPTION | {"n": np.int64(3), "f": np.float32(0.5), "v": np.arange(2)})
    assert read_json(tmp_path / "x.json") == DESCRIPTION | {"n": 3, "f": 0.5, "v": [0, 1]}


def flipped(path, read, expected):
    """Flip a bit of every byte of the file; count how often that is neither refused by name nor without effect."""
    whole, passed = path.read_bytes(), 0
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << (position % 8)
        path.write_bytes(changed)
        try:
            found = read(path)
        except DamagedFileError as error:
            assert str(path) in str(error) and "make it again" in str(error)
        else:
            passed += found != expected
    path.write_bytes(whole)
    return passed


def plain(result):
    tensors, description = result
    return {name: (v.dtype, v.shape, v.tobytes()) for name, v in tensors.items()}, description


def test_no_changed_bit_passes(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, DESCRIPTION)
    assert flipped(path, lambda p: plain(read_tensors(p)), plain(read_tensors(path))) == 0
    path = tmp_path / "x.json"
    write_json(path, DESCRIPTION)
    assert flipped(path, read_json, DESCRIPTION) == 0


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_truncated_files_are_named(tmp_path, share):
    for read, path in ((read_tensors, tmp_path / "x.safetensors"), (read_json, tmp_path / "x.json")):
        write_tensors(path, TENSORS, DESCRIPTION) if read is read_tensors else write_json(path, DESCRIPTION)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DamagedFileError, match=f"{path.name} .*make it again"):
            read(path)


def test_files_of_another_kind_are_named(tmp_path):
    from safetensors.numpy import save_file

    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": np.ones(3)}, foreign)
    with pytest.raises(DamagedFileError, match=r"foreign\.safetensors"):
        read_tensors(foreign)
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(DamagedFileError, match=r"list\.json"):
        read_json(tmp_path / "list.json")
    with pytest.raises(FileNotFoundError, match="none"):
        read_tensors(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_json(tmp_path)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_says_who_may_read(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_tensors(tmp_path / "t.safetensors", TENSORS, {})
        write_json(tmp_path / "j.json", {})
        write_text(tmp_path / "t.txt", "ä")
        write_bytes(tmp_path / "b", b"")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.csv"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        assert temporary.suffix == ".csv" and temporary.parent == tmp_path
        temporary.write_text("half")
        raise RuntimeError
    with pytest.raises(TypeError, match="object"):
        write_json(target, {"x": object()})
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_a_digest_sees_type_shape_and_order():
    x = np.arange(6, dtype=np.float32)
    digests = {array_digest(a) for a in (x, x[::-1], x.reshape(2, 3), x.reshape(3, 2), x.astype(np.int32), x[:0])}
    assert len(digests) == 6
    assert array_digest(x.reshape(2, 3).T.copy()) == array_digest(x.reshape(2, 3).T)
