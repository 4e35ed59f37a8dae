"""Import of published checkpoints, in all their forms; hostile files are refused before they do anything."""

from __future__ import annotations

import argparse
import os
import pickle
import zlib
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import pytest
import torch

from service.errors import InvalidInput
from service.ghn.checkpoint import import_reference
from service.ghn.config import GHN2_CIFAR10, GHNConfig
from service.ghn.reference_file import read_reference
from tests.ghn.reference_checkpoints import ghn2_state, ghn3_config, ghn3_state

SIZES = {"width": 16, "layers": 2, "heads": 4, "most": 12, "size": 11, "classes": 7}
WANTED = GHNConfig(
    gnn="transformer", hidden=16, layers=2, heads=4, max_channels=12, max_kernel=11, num_classes=7
)


def trainers_file(path: Path) -> None:
    state = ghn3_state(**SIZES, hub=False)
    document = {"state_dict": state, "config": ghn3_config(**SIZES), "epoch": 3, "step": 0}
    torch.save({**document, "args": argparse.Namespace(lr=4e-4, name="x"), "optimizer": {"state": {}}}, path)


def state_file(path: Path) -> None:
    torch.save(ghn3_state(**SIZES, hub=False), path)


def old_state_file(path: Path) -> None:
    torch.save(ghn3_state(**SIZES, hub=False), path, _use_new_zipfile_serialization=False)


def hub_file(path: Path) -> None:
    state = ghn3_state(**SIZES, hub=True)
    state._metadata = OrderedDict(version=1)  # type: ignore[attr-defined]
    joblib.dump(state, path)


def compressed_hub_file(path: Path) -> None:
    joblib.dump(ghn3_state(**SIZES, hub=True), path, compress=3)


@pytest.mark.parametrize("write", [trainers_file, state_file, old_state_file, hub_file, compressed_hub_file])
def test_every_form_gives_the_same_ghn(tmp_path: Path, write: Any) -> None:
    write(tmp_path / "ghn3.pt")
    ghn = import_reference(tmp_path / "ghn3.pt")
    assert ghn.config == WANTED
    state = ghn3_state(**SIZES, hub=True)
    ours = ghn.state_dict()
    assert len(ours) == len(state) and sum(v.numel() for v in ours.values()) == sum(
        v.numel() for v in state.values()
    )
    for name, published in (
        ("gnn.from_input.weight", "input_dist_embed.weight"),
        ("gnn.pair_bias.second.bias", "gnn.0.attn.proj_e.2.bias"),
        ("gnn.layers.1.qkv.weight", "gnn.1.attn.to_qkv.weight"),
        ("gnn.layers.0.second.weight", "gnn.0.ff.net.3.weight"),
        ("decoder.channels.weight", "decoder.conv.2.weight"),
    ):
        if write in (hub_file, compressed_hub_file):
            assert torch.equal(ours[name], state[published]), name


@pytest.mark.parametrize("dump", [torch.save, joblib.dump])
def test_a_ghn2_without_its_configuration(tmp_path: Path, dump: Any) -> None:
    dump(ghn2_state(), tmp_path / "ghn2.pt")
    assert import_reference(tmp_path / "ghn2.pt").config == GHN2_CIFAR10
    dump(ghn2_state(classes=7), tmp_path / "seven.pt")
    assert import_reference(tmp_path / "seven.pt").config == replace(GHN2_CIFAR10, num_classes=7)


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_no_code_of_a_file_runs(tmp_path: Path) -> None:
    mark, path = tmp_path / "was-here", tmp_path / "evil.pt"
    hostile = {"embed.weight": Hostile(mark)}
    inside = pickle.dumps(hostile)
    nested = pickle.dumps(hostile, protocol=2)
    files = {
        "plain": inside,
        "compressed": zlib.compress(inside),
        # The one function that may be called with bytes reads them as carefully.
        "storage": b"\x80\x04ctorch.storage\n_load_from_bytes\nB"
        + len(nested).to_bytes(4, "little")
        + nested
        + b"\x85R.",
    }
    torch.save(hostile, tmp_path / "torch.pt")
    files["torch"] = (tmp_path / "torch.pt").read_bytes()
    for kind, data in files.items():
        path.write_bytes(data)
        with pytest.raises(InvalidInput, match="readable"):
            read_reference(path)
        assert not mark.exists(), kind
    pickle.loads(inside)  # it would have
    assert mark.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "readable"),
        (b"\x80", "readable"),
        (b"\x78\x9cnonsense", "readable"),
        (pickle.dumps([1, 2]), "not a reference checkpoint"),
        (pickle.dumps({"a": 1}), "not a reference checkpoint"),
        (pickle.dumps({}), "not a reference checkpoint"),
        (pickle.dumps({"embed.weight": 1}), "not a tensor"),
        (b"\x80\x04}\x8c\x01actorch._utils\n_rebuild_tensor_v2\n(K\x00K\x00))\x89}tRs.", "without a storage"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        import_reference(tmp_path / "x.pt")


def test_what_is_missing_or_strange_is_named(tmp_path: Path) -> None:
    state, path = ghn3_state(**SIZES, hub=True), tmp_path / "x.pt"
    joblib.dump({**state, "gnn.1.mystery.weight": torch.zeros(1)}, path)
    with pytest.raises(InvalidInput, match=r"gnn\.1\.mystery\.weight"):
        import_reference(path)
    joblib.dump({name: value for name, value in state.items() if name != "gnn.1.ln2.bias"}, path)
    with pytest.raises(InvalidInput, match=r"gnn\.layers\.1\.mlp_norm\.bias"):
        import_reference(path)
    joblib.dump({name: value for name, value in state.items() if name != "decoder.fc.0.weight"}, path)
    with pytest.raises(InvalidInput, match=r"decoder\.fc\.0\.weight"):
        import_reference(path)
