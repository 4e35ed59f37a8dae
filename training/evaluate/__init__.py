"""How good predicted weights are."""
