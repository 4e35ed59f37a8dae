"""What lies in a folder or in a zip file. A zip file is never unpacked: its members are read one by one, so
that no name in it reaches the disk.
"""

from __future__ import annotations

import io
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from service.errors import InvalidInput

# What operating systems and tools leave behind, besides names that begin with a dot.
_LEFT_BEHIND = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir", "lost+found"}
)
_MOST_MEMBER_BYTES = 512 * 2**20
_MOST_DEPTH = 32
_SAYS_UTF_8 = 0x800


@dataclass(slots=True)
class Folder:
    """path: from the top, whose own is empty. files, hidden: names of what lies in it directly."""

    path: PurePosixPath = field(default_factory=PurePosixPath)
    files: list[str] = field(default_factory=list)
    folders: dict[str, Folder] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)

    def walk(self) -> Iterator[Folder]:
        """This folder and all below, in the order of their names."""
        yield self
        for name in sorted(self.folders):
            yield from self.folders[name].walk()

    def all_files(self) -> list[PurePosixPath]:
        return [folder.path / name for folder in self.walk() for name in sorted(folder.files)]


class ImageTree(ABC):
    """place: the folder or file itself. name: what the data are called."""

    def __init__(self, place: Path) -> None:
        self.place = place.absolute()
        self.name = place.resolve().name

    @abstractmethod
    def top(self) -> Folder: ...

    @abstractmethod
    def open(self, path: PurePosixPath) -> BinaryIO:
        """Raises OSError, or ValueError for what should not be read."""


def open_tree(place: Path) -> ImageTree | None:
    """None where there is no folder and no zip file. Raises InvalidInput for a damaged zip file."""
    if place.is_dir():
        return DiskTree(place)
    if place.is_file() and zipfile.is_zipfile(place):
        return ZipTree(place)
    if place.is_file() and place.suffix.lower() == ".zip":
        raise InvalidInput(f"{place} is not a zip file, or it is damaged.", field="/data")
    return None


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


class DiskTree(ImageTree):
    """Links to folders are followed, as torchvision does; one that leads back to where it lies is not."""

    def top(self) -> Folder:
        return self._read(PurePosixPath(), frozenset())

    def open(self, path: PurePosixPath) -> BinaryIO:
        return (self.place / path).open("rb")

    def _read(self, path: PurePosixPath, above: frozenset[str]) -> Folder:
        folder, own = Folder(path), os.path.realpath(self.place / path)
        if own in above or len(path.parts) > _MOST_DEPTH:
            return folder
        with os.scandir(self.place / path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if is_hidden(entry.name):
                    folder.hidden.append(entry.name)
                elif entry.is_dir():
                    folder.folders[entry.name] = self._read(path / entry.name, above | {own})
                elif entry.is_file() or entry.is_symlink():  # one that leads nowhere is told as unreadable
                    folder.files.append(entry.name)
        return folder


class ZipTree(ImageTree):
    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.name = place.stem
        try:
            self._zip = zipfile.ZipFile(self.place)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InvalidInput(f"{place} is not a readable zip file: {error}", field="/data") from error
        self._members: dict[PurePosixPath, zipfile.ZipInfo] = {}

    def top(self) -> Folder:
        top = Folder()
        for member in self._zip.infolist():
            # Made on Windows by tools that do not know better.
            name = _name(member).replace("\\", "/")
            self._add(top, [part for part in name.split("/") if part not in ("", ".")], member)
        return top

    def open(self, path: PurePosixPath) -> BinaryIO:
        member = self._members[path]
        # What the directory of a zip file says of a size may be a lie: no more is read.
        with self._zip.open(member) as file:
            content = file.read(_MOST_MEMBER_BYTES + 1)
        if len(content) > _MOST_MEMBER_BYTES:
            raise ValueError(f"more than {_MOST_MEMBER_BYTES // 2**20} MiB")
        return io.BytesIO(content)

    def _add(self, top: Folder, parts: list[str], member: zipfile.ZipInfo) -> None:
        if not parts or len(parts) > _MOST_DEPTH or ".." in parts:
            return
        folder = top
        for name in parts if member.is_dir() else parts[:-1]:
            if is_hidden(name):
                if name not in folder.hidden:
                    folder.hidden.append(name)
                return
            folder = folder.folders.setdefault(name, Folder(folder.path / name))
        if member.is_dir():
            return
        if is_hidden(parts[-1]):
            folder.hidden.append(parts[-1])
        elif folder.path / parts[-1] not in self._members:
            self._members[folder.path / parts[-1]] = member
            folder.files.append(parts[-1])


def _name(member: zipfile.ZipInfo) -> str:
    """Macs write names in UTF-8 and do not say so, and are read as if they were of 1981."""
    if member.flag_bits & _SAYS_UTF_8:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename
