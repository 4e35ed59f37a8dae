"""Training a HyperNAS predictor."""
