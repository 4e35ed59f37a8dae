"""The `weightcast` command.

Importing this package must stay cheap: `weightcast --help` loads neither torch nor the client. Every command
imports what it needs when it runs.
"""

from __future__ import annotations

from service.cli.app import main

__all__ = ["main"]
