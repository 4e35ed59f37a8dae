"""What was found in a folder of images, as lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.cli.console import table

_MOST_CLASSES = 20
_PARTS = ("train", "validation", "test")


def inventory_lines(document: Mapping[str, Any]) -> list[str]:
    """document: of `training.data.inventory`."""
    classes: Mapping[str, Mapping[str, int]] = document["classes"]
    images, mirrored = document["images"], "" if document["mirror"] else "not "
    lines = [
        f"{document['name']}: {len(classes)} classes, {sum(images.values()):,} images "
        f"({', '.join(f'{images[part]:,} {part}' for part in _PARTS)}), {mirrored}mirrored in training"
    ]
    if len(classes) <= _MOST_CLASSES:
        rows = [(name, *(f"{of[part]:,}" for part in _PARTS)) for name, of in classes.items()]
        lines += table(("class", *_PARTS), rows).splitlines()
    else:
        counts = [of["train"] for of in classes.values()]
        lines.append(f"{min(counts):,} to {max(counts):,} training images a class")
    parts = document.get("parts", {})
    lines += [f"{part}: {parts[part]}" for part in _PARTS[1:] if part in parts]
    for part, names in document.get("absent", {}).items():
        lines.append(f"no {part} image of {', '.join(names[:_MOST_CLASSES])}")
    for key, text in (
        ("turned", "turned as their EXIF says"),
        ("deep", "with 16 bits or more a channel, scaled to 8"),
        ("first_frames", "with several frames, of which the first is used"),
    ):
        if document.get(key):
            lines.append(f"{document[key]:,} {'image' if document[key] == 1 else 'images'} {text}")
    for entry in document.get("left_out", []):
        more = ", ..." if entry["files"] > len(entry["examples"]) else ""
        lines.append(f"left out, {entry['why']}: {entry['files']:,} ({', '.join(entry['examples'])}{more})")
    return lines
