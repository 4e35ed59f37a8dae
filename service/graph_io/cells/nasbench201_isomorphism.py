"""Cells of NAS-Bench-201 that compute the same, written differently: 15,625 texts are far fewer networks."""

from __future__ import annotations

from service.graph_io.cells.nasbench201 import NUM_NODES, Cell


def canonical(cell: Cell) -> str:
    """What the output sums, as a text that is the same for all cells that sum the same.

    A skip stands for what it reads, `none` and all that hangs on it for nothing, and the order of a sum says
    nothing. Empty for a cell whose output nothing reaches.
    """
    terms: list[list[str]] = [["x"]]
    for target in range(1, NUM_NODES):
        summed: list[str] = []
        for edge in cell:
            if edge.target != target or edge.operation == "none" or not terms[edge.source]:
                continue
            if edge.operation == "skip_connect":
                summed += terms[edge.source]
            else:
                summed.append(f"{edge.operation}({'+'.join(terms[edge.source])})")
        terms.append(sorted(summed))
    return "+".join(terms[-1])
