"""Training a SMASH hypernetwork, and ranking by it."""
