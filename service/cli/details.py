"""What the command line says of a network beside its SOURCE."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.cli.modules import load_module, names_module
from service.errors import InvalidInput, InvalidRequest


@dataclass(frozen=True, slots=True)
class Details:
    """input_shape: of one input of a network in code, without the batch axis; guessed without it.
    num_classes: outputs of the last layer of a network by name, cell or code; the format's default without
        it.
    """

    input_shape: tuple[int, ...] | None = None
    num_classes: int | None = None

    def document(self, text: str) -> Mapping[str, Any] | None:
        """The architecture that a SOURCE says in full, or that a line of a list has; None for a network in
        code, a file or standard input.

        Raises InvalidInput for what is no source, and InvalidRequest for a number of classes that cannot be
        chosen.
        """
        document = None if names_module(text) else _document(text)
        if self.num_classes is None:
            return document
        from service.graph_io.entries import FIELDS
        from service.graph_io.read import format_of

        if document is None or "num_classes" not in FIELDS.get(format_of(document) or "", ()):
            raise InvalidRequest(
                "This network says itself how many classes it has.",
                field="/num_classes",
                hint="Leave --num-classes out, and change the last layer where the network is made.",
            )
        return {**document, "num_classes": self.num_classes}

    def for_client(self, text: str) -> Any:
        """What the client takes for a SOURCE; a network of the user's code is traced here."""
        document = self.document(text)
        if text == "-":
            return sys.stdin.buffer.read()
        if names_module(text):
            return load_module(text)
        return text if document is None else document


def read_details(input_shape: str | None, num_classes: int | None) -> Details:
    """As the options say it. Raises InvalidInput."""
    return Details(None if input_shape is None else _shape(input_shape), num_classes)


def _document(text: str) -> Mapping[str, Any] | None:
    from service.graph_io.sources import parse_source, read_listed

    source = parse_source(text)
    if source.path is not None and source.line is not None:
        return read_listed(source.path, source.line)
    return source.document


def _shape(text: str) -> tuple[int, ...]:
    """'3,64,64' or '3x64x64'."""
    sizes = re.split(r"[,x]", text.replace(" ", ""))
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise InvalidInput(
            f"{text!r} is not the shape of an input.",
            field="/input_shape",
            hint="Give it without the batch axis: --input-shape 3,64,64.",
        )
    return tuple(map(int, sizes))
