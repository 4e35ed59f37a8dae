"""Training a GHN."""
