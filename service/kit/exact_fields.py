"""Objects that are stored as JSON with just their fields: a configuration is never inferred."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def check_fields(values: Mapping[str, object], expected: Collection[str], what: str) -> None:
    """Raises ValueError for an unknown or a missing field."""
    if set(values) != set(expected):
        unknown, missing = sorted(set(values) - set(expected)), sorted(set(expected) - set(values))
        raise ValueError(f"not a {what} configuration: unknown fields {unknown}, missing fields {missing}")
