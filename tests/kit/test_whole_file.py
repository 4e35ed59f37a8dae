"""Files appear whole, with ordinary rights, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from service.kit.whole_file import whole_file, write_whole


def test_a_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    assert write_whole(target, "ä new one") == target
    assert target.read_text(encoding="utf-8") == "ä new one"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = write_whole(tmp_path / "a", b"old")
    with pytest.raises(KeyError), whole_file(target) as path:
        path.write_bytes(b"half")
        assert target.read_bytes() == b"old"
        raise KeyError
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_rights_are_those_of_a_new_file(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("")
    with whole_file(tmp_path / "a", durable=True) as path:
        path.unlink()
        path.touch(0o600)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_long_name_has_room_for_its_temporary_one(tmp_path: Path) -> None:
    assert write_whole(tmp_path / ("a" * 255), b"1").read_bytes() == b"1"


def test_without_the_folder_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "a", b"1")
