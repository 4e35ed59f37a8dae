"""Training one network from predicted weights."""
