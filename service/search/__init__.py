"""Search for good architectures: spaces, strategies, and a loop that scores by any predictor.

A plain library: no server, no torch unless a predictor needs it.
"""
