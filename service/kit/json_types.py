"""JSON whose members depend on what it is about: documents of users, schemas, results by kind. What has
fields of its own is a class in `service.contract`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
