"""SOURCE arguments: which there are, and what a file made for one is called."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import typer

from service.cli.modules import name_of, names_module
from service.cli.output_file import is_same_file, refuse_sources
from service.graph_io.listed import names_list
from service.graph_io.sources import names_file, numbers_listed, parse_source

# What the help of commands says of a SOURCE.
ONE_NETWORK = (
    "A .onnx or .json file, a line of a list as nets.jsonl:3, your own code as package.module:MyNet or "
    "file.py:MyNet, torchvision:NAME, nasbench201:CELL, or - for standard input."
)
ENDINGS = {"safetensors": ".safetensors", "tiles": ".tiles.safetensors", "npz": ".npz", "onnx": ".onnx"}
# What people call checkpoints of torch.
_TORCH = (".pt", ".pth", ".ckpt", ".bin")
_MAX_STEM = 100


def expand(sources: Iterable[str]) -> list[str]:
    """The sources with patterns (`nets/*.onnx`) that the shell left alone replaced by the files they match,
    and lists by their lines.

    Raises BadParameter for a pattern that matches nothing and an empty list, InvalidInput for a list that
    cannot be read.
    """
    return [one for source in sources for file in _matches(source) for one in _lines(file)]


def _matches(source: str) -> list[str]:
    is_file = names_file(source) or names_list(source)
    if not is_file or not glob.has_magic(source) or os.path.exists(source):
        return [source]
    matches = sorted(glob.glob(source, recursive=True))
    if not matches:
        raise typer.BadParameter(f"no file matches {source!r}", param_hint="SOURCE")
    return matches


def _lines(source: str) -> list[str]:
    if not names_list(source):
        return [source]
    numbers = numbers_listed(Path(source))
    if not numbers:
        raise typer.BadParameter(f"{source} is empty", param_hint="SOURCE")
    return [f"{source}:{number}" for number in numbers]


def stem(text: str) -> str:
    """A short name for a source, fit for a file: model.onnx -> model, torchvision:resnet50 -> resnet50,
    nets.jsonl:3 -> nets-3.

    Raises InvalidInput for a text that is not a recognised source.
    """
    if names_module(text):
        return name_of(text)
    source = parse_source(text)
    if source.path is not None:
        return source.path.stem if source.line is None else f"{source.path.stem}-{source.line}"
    if source.document is None:
        return "stdin"
    name = source.document.get("name", "")
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        return str(name)[:_MAX_STEM]
    # A cell string is no file name; its hash keeps two cells apart.
    return f"{source.document['format']}-{sha256(text.encode()).hexdigest()[:8]}"


@dataclass(slots=True)
class Targets:
    """Where the weights of each source go.

    destination: what -o said, None for the working folder. It is a folder if it exists as one, ends in a
        slash, or there are several sources; otherwise the file itself.
    form: what --format said.
    """

    destination: str | None
    form: str | None
    several: bool
    _taken: set[Path] = field(default_factory=set)

    @property
    def output(self) -> str:
        """The form to write."""
        return self.form or form_of(self.destination or "") or "safetensors"

    @property
    def folder(self) -> Path | None:
        """The folder that gets the files; None if -o names the file."""
        if self.destination is None:
            return Path()
        if self.several or self.destination.endswith("/") or Path(self.destination).is_dir():
            return Path(self.destination)
        return None

    def check(self, sources: Iterable[str]) -> None:
        """Raises BadParameter if -o would overwrite a source or is a file where a folder is needed."""
        folder = self.folder
        if folder is None:
            self._check_ending()
            refuse_sources(self._file(), sources)
        elif folder.exists() and not folder.is_dir():
            raise typer.BadParameter(f"{folder} must be a folder for several sources", param_hint="-o")

    def _check_ending(self) -> None:
        """A file is what its name says."""
        name = (self.destination or "").lower()
        form = form_of(name)
        # Any other name will do where the form is said, such as /dev/stdout.
        if form == self.output or (form is None and self.form and not name.endswith(_TORCH)):
            return
        ending = ENDINGS[self.output]
        hint = "torch.save is never used: read .safetensors files with safetensors.torch.load_file"
        known = f"{', '.join(ENDINGS.values())} are the endings of what is written"
        why = f"{self.output} files end in {ending}" if form else hint if name.endswith(_TORCH) else known
        raise typer.BadParameter(f"{self.destination}: {why}", param_hint="-o")

    def path(self, source: str) -> Path:
        """The file for a source: one of its own, and never the source. Makes its folder."""
        folder = self.folder
        target = self._file() if folder is None else folder / f"{stem(source)}{ENDINGS[self.output]}"
        count = 1
        while folder is not None and (target in self._taken or is_same_file(target, source)):
            count += 1
            target = folder / f"{stem(source)}-{count}{ENDINGS[self.output]}"
        self._taken.add(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _file(self) -> Path:
        return Path(self.destination or "")


def form_of(name: str) -> str | None:
    """The form that a file's name says, None for none of ours."""
    by_length = sorted(ENDINGS.items(), key=lambda item: -len(item[1]))
    return next((form for form, ending in by_length if name.lower().endswith(ending)), None)
