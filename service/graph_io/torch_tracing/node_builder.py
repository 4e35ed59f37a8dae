"""Nodes as they are added, and the nodes that carry a step's value. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from service.graph_io.archgraph import AttrValue, Node, Parameter
from service.graph_io.lifting.relative import is_relative
from service.graph_io.operators import NORMS, PRODUCTS
from service.graph_io.torch_tracing.calls import approximate
from service.graph_io.torch_tracing.parametric import Cones, long_axes
from service.graph_io.torch_tracing.steps import INPUT, PARAM, Step

_NAMED_BY_MODULE = PRODUCTS | NORMS | {"embedding", "recurrent"}
_COMPUTED = "its parameter is computed before it is used"


class NodeBuilder:
    """nodes: in execution order. node_of: for every step emitted so far, the node that has its value.

    emit: turns a step into nodes; called for values that are needed before their turn.
    """

    def __init__(self, steps: list[Step], emit: Callable[[int], str]) -> None:
        self.steps = steps
        self.cones = Cones(steps)
        self.nodes: list[Node] = []
        self.node_of: dict[int, str] = {}
        self._emit = emit
        self._names: set[str] = set()
        self._sources: dict[tuple[str, str, tuple[tuple[str, AttrValue], ...]], str] = {}

    def node(
        self,
        op: str,
        inputs: Iterable[str] = (),
        params: tuple[Parameter, ...] = (),
        attrs: dict[str, AttrValue] | None = None,
    ) -> str:
        """Add a node, named after its first parameter or the module that owns it, or after its operator."""
        if params:
            owner = params[0].name
            base = owner.rpartition(".")[0] or owner if op in _NAMED_BY_MODULE else owner
        else:
            base = op if op == INPUT else f"{op}_{len(self.nodes)}"
        name, count = base, 1
        while name in self._names:
            count += 1
            name = f"{base}#{count}"
        self._names.add(name)
        self.nodes.append(Node(name, op, tuple(inputs), params, attrs or {}))
        return name

    def parameter(self, leaf: int, role: str = "weight") -> Parameter:
        step = self.steps[leaf]
        return Parameter(step.name, step.shape, role)

    def pass_through(
        self, name: str, leaves: Iterable[int], role: str = "value", attrs: dict[str, AttrValue] | None = None
    ) -> str:
        """Parameters with a part in what a node computes that no operator describes."""
        for leaf in leaves:
            name = self.node("parameter", (name,), (self.parameter(leaf, role),), attrs)
        return name

    def placement(self, value: int, features: int) -> dict[str, AttrValue]:
        """Attributes of a node that adds a parameter to features, or multiplies it with them: its shape
        where the two meet, if that says more than the stored shape; or the mark of a parameter that is
        computed first.
        """
        shape = self.cones.placed_shape(value)
        if shape is None:
            return approximate("its parameter is computed before it is used")
        stored = next(self.steps[leaf].shape for leaf in self.cones.of(value).leaves)
        # One number a channel is what a single axis means without a shape, for features with positions.
        one_axis = (
            len(shape) == 1 and self.steps[features].op != PARAM and len(self.steps[features].shape) > 3
        )
        return {"shape": shape} if shape != stored or one_axis else {}

    def is_live(self, step: int) -> bool:
        return self.steps[step].live

    # Values

    def data(self, step: Step) -> str:
        """The one node that an operator with one input reads."""
        if not step.sources:
            return self.constant()
        names = self.value(step.sources[0])
        return names[0] if len(names) == 1 else self.node("merge", names, attrs={"kind": "parameters"})

    def value(self, index: int, use: str = "parameter") -> list[str]:
        """The nodes that carry a value. A value made of parameters alone has one for each of them.

        use: the operator that such a parameter becomes.
        """
        if index in self.node_of:
            return [self.node_of[index]]
        cone = self.cones.of(index)
        if cone.has_layer:
            return [self._branch(index)]
        shape = self.cones.placed_shape(index) if len(cone.leaves) == 1 else None
        if shape is None:
            return [self.source(leaf, use, approximate(_COMPUTED)) for leaf in cone.leaves]
        moved = shape != self.steps[cone.leaves[0]].shape
        return [self.source(cone.leaves[0], use, {"shape": shape} if moved else {})]

    def values(self, step: Step, use: str = "parameter") -> list[str]:
        return [name for source in step.sources for name in self.value(source, use)]

    def source(self, leaf: int, use: str, attrs: dict[str, AttrValue] | None = None) -> str:
        """A node that only gives a parameter. One for each parameter, use and shape."""
        step = self.steps[leaf]
        op, role = use, "weight"
        if op == "relative_position" and long_axes(step.shape) < 2 and not is_relative(step.name):
            # What enters the scores of an attention and is no table is a temperature.
            op, role = "parameter", "gain"
        elif op == "parameter" and is_relative(step.name):
            op = "relative_position"
        elif op == "parameter":
            role = "value"
        key = (step.name, op, tuple((attrs or {}).items()))
        if key not in self._sources:
            self._sources[key] = self.node(op, (), (self.parameter(leaf, role),), attrs)
        return self._sources[key]

    def constant(self) -> str:
        """The fixed numbers that a branch starts from."""
        key = ("", "constant", ())
        if key not in self._sources:
            self._sources[key] = self.node("constant")
        return self._sources[key]

    def _branch(self, index: int) -> str:
        """A value that learned layers compute from parameters or fixed numbers, such as Swin V2's position
        bias.
        """
        members, stack = {index}, [index]
        while stack:
            for source in self.steps[stack.pop()].sources:
                if source not in members and source not in self.node_of:
                    members.add(source)
                    stack.append(source)
        for current in sorted(members):
            if self.steps[current].op == PARAM:
                self.node_of[current] = self.source(current, "parameter")
            else:
                self._emit(current)
        return self.node_of[index]
