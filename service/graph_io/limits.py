"""How large an architecture may be. Counted with Python integers before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphLimits:
    max_bytes: int = 64 * 2**20
    max_nodes: int = 20_000
    max_edges: int = 100_000
    max_parameters: int = 1_000_000_000
    max_rank: int = 8
    max_dim: int = 2**20
    # ONNX has no limit, and exporters that join the names of fused layers reach several hundred.
    max_name_length: int = 4096
    max_json_depth: int = 32
    max_subgraph_depth: int = 4


DEFAULT_LIMITS = GraphLimits()
