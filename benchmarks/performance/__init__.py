"""How close each path comes to what the machine can do: `python -m benchmarks.performance`."""
