"""DARTS cells as the dictionaries that NNI exports, read as the pairs of a genotype.

Of its search spaces (`nni.nas.hub`), by the number of the node and of its two inputs:

    {"normal/op_2_0": "sep_conv_3x3", "normal/input_2_0": 0, "reduce/op_2_0": "max_pool_3x3", ...}

Of its earlier DARTS trainer, by the number of the node and of the state that it may read; the switch names
the two that it does:

    {"normal_n2_p0": "sepconv3x3", "normal_n2_p1": 2, "normal_n2_switch": ["normal_n2_p0", "normal_n2_p1"],
     ...}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Numbers of the earlier trainer stand for these.
_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "none",
)
_BY_OTHER_NAME = {
    **{re.sub("[_]|_3x3$", "", name): name for name in _OPERATIONS},
    "maxpool": "max_pool_3x3",
    "avgpool": "avg_pool_3x3",
}
_NODE = re.compile(r"(?:normal|reduce)(?:/(?:op|input)_(\d{1,2})_[01]|_n(\d{1,2})_(?:p\d{1,2}|switch))")
# What the dictionaries say besides, and what we call it.
_OPTIONS = {"width": "channels", "depth": "cells", "num_cells": "cells"}
CELLS = ("normal", "reduce")


def is_nni(fields: Mapping[str, Any]) -> bool:
    """Whether there are keys as NNI writes them, of both cells."""
    keys = [key for key in fields if isinstance(key, str) and _NODE.fullmatch(key)]
    return all(any(key.startswith(cell) for key in keys) for cell in CELLS)


def nni_document(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A document of format "darts". Fields that are not NNI's stay as they are."""
    own = {key for key in fields if isinstance(key, str) and _NODE.fullmatch(key)}
    options = {
        _OPTIONS[key]: fields[key]
        for key in fields
        if key in _OPTIONS and isinstance(fields[key], int) and _OPTIONS[key] not in fields
    }
    others = {key: value for key, value in fields.items() if key not in own and key not in _OPTIONS}
    genotype = {cell: _pairs(fields, cell) for cell in CELLS}
    return {**others, **options, "format": "darts", "genotype": genotype}


def _pairs(fields: Mapping[str, Any], cell: str) -> list[Any]:
    """[operation, state] pairs, node after node; what does not do is left for the reader to refuse."""
    pairs: list[Any] = []
    nodes = sorted(
        {
            int(match.group(1) or match.group(2))
            for key in fields
            if isinstance(key, str) and key.startswith(cell) and (match := _NODE.fullmatch(key))
        }
    )
    for node in nodes:
        if (switch := fields.get(f"{cell}_n{node}_switch")) is not None:
            chosen = switch if isinstance(switch, list | tuple) else [switch]
            states = [int(re.sub(r".*_p", "", str(one))) if _is_state(one) else one for one in chosen]
            pairs += [[_operation(fields.get(f"{cell}_n{node}_p{state}")), state] for state in states]
        else:
            for side in (0, 1):
                operation, state = (fields.get(f"{cell}/{what}_{node}_{side}") for what in ("op", "input"))
                pairs.append([_operation(operation), _first(state)])
    return pairs


def _is_state(switch: Any) -> bool:
    return re.fullmatch(r"(.*_p)?\d{1,2}", str(switch)) is not None


def _operation(value: Any) -> Any:
    value = _first(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(_OPERATIONS):
        return _OPERATIONS[value]
    return _BY_OTHER_NAME.get(value, value) if isinstance(value, str) else value


def _first(value: Any) -> Any:
    """Of a list of one, that one."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
