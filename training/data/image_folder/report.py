"""What was found in a folder of images besides the images that are used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class FolderReport:
    """place: the folder or zip file, on this machine. parts: where each part of the data set comes from.
    left_out: names by why. unreadable: why, by name. turned, deep, frames: how many images were turned as
    their EXIF says, had more than 8 bits a channel, had more frames than the first. absent: classes without
    an image, by part.
    """

    place: str
    parts: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    turned: int = 0
    deep: int = 0
    frames: int = 0
    absent: dict[str, list[str]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Without `place`: it goes to other machines."""
        left_out = [
            {"why": why, "files": len(names), "examples": names[:_EXAMPLES]}
            for why, names in self.left_out.items()
        ]
        if self.unreadable:
            left_out.insert(0, {"why": "unreadable", "files": len(self.unreadable), "examples": self._bad()})
        return {
            "parts": self.parts,
            "left_out": left_out,
            "unreadable": len(self.unreadable),
            "turned": self.turned,
            "deep": self.deep,
            "first_frames": self.frames,
            "absent": self.absent,
        }

    def _bad(self) -> list[str]:
        return [f"{name}: {reason}" for name, reason in list(self.unreadable.items())[:_EXAMPLES]]
