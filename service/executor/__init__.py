"""Running an ArchGraph with parameters from outside: what trains or scores a network builds on it."""
