"""A network as a GHN sees it, for drawing it and for saying what of it is predicted."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.kit.json_types import JsonObject

AttributeValue = int | float | str | bool | list[int] | list[float] | list[str] | None


class DescribedNode(BaseModel):
    """One node of the primitive graph; `inputs` are positions in the list of nodes, all before this one."""

    name: str = Field(description="The parameter or operator that it stands for.")
    primitive: str = Field(description="One of the 15 primitives of GHN-2, such as `conv`.")
    shape: list[int] | None = Field(description="Shape that its features encode: (out, in, height, width).")
    cell: int | None = Field(description="Index of its cell, if the format has cells.")
    inputs: list[int]
    op: str = Field(default="", description="Operator of the network, such as `linear`.")
    attributes: dict[str, AttributeValue] = Field(
        default_factory=dict, description="Attributes of the operator, such as its stride; not of a bias."
    )


class DescribedParameter(BaseModel):
    """A trainable parameter of the network."""

    name: str
    shape: list[int] = Field(description="Shape as the network stores it.")
    op: str = Field(description="Operator that owns it; empty for one that the network never reads.")
    decoding: str = Field(description="Decoder that makes it; `default` if the GHN has none for it.")
    node: int | None = Field(description="Position of the node that decodes it.")


class Description(BaseModel):
    """Nodes are in topological order, parameters in execution order."""

    name: str
    digest: str = Field(description="Digest of the architecture: equal for equal networks.")
    input_shape: list[int] = Field(description="Without the batch axis; empty if unknown.")
    num_operators: int = Field(description="Nodes of the network itself, before the GHN's view of it.")
    num_parameters: int
    nodes: list[DescribedNode]
    parameters: list[DescribedParameter]


DESCRIPTION_EXAMPLE: JsonObject = {
    "name": "",
    "digest": "5f0c" * 16,
    "input_shape": [3, 32, 32],
    "num_operators": 3,
    "num_parameters": 864,
    "nodes": [
        {"name": "image", "primitive": "input", "shape": None, "cell": None, "inputs": [], "op": "input"},
        {
            "name": "conv.weight",
            "primitive": "conv",
            "shape": [32, 3, 3, 3],
            "cell": None,
            "inputs": [0],
            "op": "conv",
            "attributes": {"stride": [2, 2], "padding": [1, 1]},
        },
    ],
    "parameters": [
        {"name": "conv.weight", "shape": [32, 3, 3, 3], "op": "conv", "decoding": "weight", "node": 1}
    ],
}
