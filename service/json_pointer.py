"""JSON Pointers (RFC 6901): how errors name a place in a document."""

from __future__ import annotations


def pointer(*keys: object) -> str:
    """("nodes", 3, "a/b") -> "/nodes/3/a~1b". Without keys: "", the whole document."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)
