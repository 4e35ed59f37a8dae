"""Walking backwards through drafts that own nothing."""

from __future__ import annotations

from service.graph_io.onnx.draft import Draft


def region(
    tail: Draft, entry: Draft, most: int = 24, *, owning: frozenset[str] = frozenset()
) -> list[Draft] | None:
    """All drafts between `entry` (left out) and `tail` (included), if everything that `tail` reads comes
    from `entry`.

    None if something else flows in, if a draft with parameters is met (other than the operators in
    `owning`), or if there are more than `most`.
    """
    members: dict[Draft, None] = {}
    stack = [tail]
    while stack:
        draft = stack.pop()
        if draft is entry or draft in members:
            continue
        if not draft.inputs or (draft.owned and draft.op not in owning) or len(members) >= most:
            return None
        members[draft] = None
        stack.extend(draft.inputs)
    return list(members)


def is_scaling(draft: Draft) -> bool:
    """x * c or x / c."""
    return (
        draft.op == "unary"
        and draft.kind in ("Mul", "Div")
        and draft.scalar is not None
        and len(draft.inputs) == 1
    )


def activation_name(draft: Draft) -> str:
    """The function of an activation; "clip01" for one that keeps its input between 0 and 1."""
    kind = str(draft.attrs.get("kind", "relu"))
    limits = (draft.attrs.get("min_val", -1.0), draft.attrs.get("max_val", 1.0))
    return "clip01" if kind == "hardtanh" and limits == (0.0, 1.0) else kind


def only_reader(readers: dict[Draft, list[Draft]], draft: Draft) -> Draft | None:
    users = readers.get(draft, [])
    return users[0] if len(users) == 1 and users[0] is not draft else None
