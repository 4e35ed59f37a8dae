"""How large an architecture may be in this service, from its settings."""

from __future__ import annotations

from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits
from service.settings import Settings

# A network has two to three edges a node; readers that split attention and gates into their parts need more.
_EDGES_PER_NODE = 5


def limits_of(settings: Settings) -> GraphLimits:
    """The limits that every door reads by: the API, the workers, and whatever they read again from the store.

    One function, so that what the API took is never refused by a worker.
    """
    return GraphLimits(
        max_bytes=settings.max_body_bytes,
        max_nodes=settings.max_nodes,
        max_edges=max(DEFAULT_LIMITS.max_edges, _EDGES_PER_NODE * settings.max_nodes),
        max_parameters=settings.max_parameters,
    )
