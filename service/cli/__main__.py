"""`python -m service.cli`, where the console script is not installed."""

from __future__ import annotations

from service.cli.app import main

main()
