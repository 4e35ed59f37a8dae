"""Documents as other code prints them, in the one form that our readers read.

- nasbench201: `Structure(4 nodes with |...|)`; (operation, node) tuples for each node; six indices into the
  benchmark's list of operations, in the order of the text; `{"0_1": "conv_3x3", ...}`; the number of the cell
  in the benchmark's list, its `arch_index`. With five widths as `channels`, and the cell of NATS-Bench's size
  space, it is a network of that space. The benchmark's own configuration of a network (`infer.tiny`).
- nasbench101: matrices of booleans or floats; cells before pruning, with dead vertices or more edges.
- darts: `Genotype(normal=[...], normal_concat=range(2, 6), ...)`; pairs nested by node; without concat;
  `init_channels` and `layers`; what NNI exports (`nni.py`).
- nats_size: "8:16:24:32:40".
- nasbench_macro: numbers, which have lost their leading zeros; lists of digits.

What is none of these is left as it is: its reader says what is wrong. The published schema describes the one
form that our readers read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.errors import InvalidArchitecture
from service.graph_io.cells.nasbench201_index import NUM_CELLS, cell_of_index
from service.graph_io.cells.nats_size import CELL as NATS_SIZE_CELL
from service.graph_io.cells.nats_size import STAGES
from service.graph_io.nni import is_nni, nni_document
from service.graph_io.python_text import parse_python

# Names that other code has for fields, by format.
OTHER_NAMES: Mapping[str, Mapping[str, str]] = {
    "darts": {"init_channels": "channels", "layers": "cells", "width": "channels", "depth": "cells"},
    "nasbench201": {"arch_str": "cell", "arch_index": "cell"},
    "nasbench101": {
        "module_adjacency": "matrix",
        "module_operations": "ops",
        "adjacency": "matrix",
        "operations": "ops",
    },
}
_OPERATIONS_201 = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_OTHER_OPERATIONS = {
    "conv_1x1": "nor_conv_1x1",
    "conv_3x3": "nor_conv_3x3",
    "skip": "skip_connect",
    "avg_pool": "avg_pool_3x3",
}
_EDGES_201 = tuple((source, target) for target in (1, 2, 3) for source in range(target))
_INSIDE_STRUCTURE = re.compile(r"\|.*\|", re.DOTALL)
_INFER_TINY = {"C": "channels", "N": "cells_per_stage", "arch_str": "cell"}
_GENOTYPE = ("normal", "normal_concat", "reduce", "reduce_concat")
_MOST_VERTICES = 64
_MOST_VERTICES_LEFT, _MOST_EDGES_LEFT = 7, 9


def plain_document(document: Any) -> Any:
    """The document with the same meaning that its reader reads.

    Raises InvalidArchitecture for a text of a genotype that is none.
    """
    if isinstance(document, Mapping) and "format" not in document:
        document = with_format(document)
    form = document.get("format") if isinstance(document, Mapping) else None
    change = _CHANGES.get(form) if isinstance(form, str) else None
    if change is None:
        return document
    names = OTHER_NAMES.get(str(form), {})
    renamed = {
        names.get(key, key) if names.get(key) not in document else key: value
        for key, value in document.items()
    }
    return change(renamed)


def with_format(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Documents that say what they are in another way."""
    if is_nni(document):
        return nni_document(document)
    name, others = document.get("name"), {key: value for key, value in document.items() if key != "name"}
    if name == "infer.tiny" and {"C", "N", "arch_str"} <= {*document}:
        renamed = {_INFER_TINY.get(key, key): value for key, value in others.items()}
        return {"format": "nasbench201", **renamed}
    if name == "infer.shape.tiny" and {"channels", "genotype"} <= {*document}:
        renamed = {"cell" if key == "genotype" else key: value for key, value in others.items()}
        return {"format": "nasbench201", **renamed}
    return document


def _nasbench201(document: dict[str, Any]) -> dict[str, Any]:
    cell = document.get("cell")
    if cell is None:
        return document
    plain = {**document, "cell": _plain_cell(cell)}
    widths = _widths(plain.get("channels"))
    if widths is None or plain["cell"] != NATS_SIZE_CELL or "cells_per_stage" in plain:
        return plain
    rest = {key: value for key, value in plain.items() if key not in ("cell", "channels")}
    return {**rest, "format": "nats_size", "sizes": widths}


def _plain_cell(cell: Any) -> Any:
    if isinstance(cell, str):
        inside = _INSIDE_STRUCTURE.search(cell)
        text = (inside.group() if inside and cell.strip().startswith("Structure(") else cell).strip()
        if re.fullmatch(r"[0-4]{6}", text):
            return _cell_text([int(digit) for digit in text]) or cell
        if re.fullmatch(r"\d{1,5}", text) and int(text) < NUM_CELLS:
            return cell_of_index(int(text))
        return text
    if isinstance(cell, int) and not isinstance(cell, bool) and 0 <= cell < NUM_CELLS:
        return cell_of_index(cell)
    return _cell_text(cell) or cell


def _widths(channels: Any) -> list[Any] | None:
    """One for each stage of the size space; None where it is one number."""
    if isinstance(channels, str):
        channels = channels.split(":")
    if not isinstance(channels, list | tuple) or len(channels) != STAGES:
        return None
    return [int(one) if isinstance(one, str) and one.strip().isdigit() else one for one in channels]


def _cell_text(cell: Any) -> str | None:
    """The benchmark's text of a cell in another form; None for what is none."""
    if isinstance(cell, Mapping):
        named = [cell.get(f"{source}_{target}") for source, target in _EDGES_201]
        return _text_201(named) if len(cell) == len(_EDGES_201) else None
    if not isinstance(cell, list | tuple):
        return None
    if len(cell) == len(_EDGES_201):
        if all(isinstance(index, int) and not isinstance(index, bool) and 0 <= index < 5 for index in cell):
            return _text_201([_OPERATIONS_201[index] for index in cell])
        return _text_201(cell)
    if len(cell) == 3 and all(isinstance(node, list | tuple) for node in cell):
        try:
            groups = ["|".join(f"{_operation(name)}~{int(source)}" for name, source in node) for node in cell]
        except (TypeError, ValueError):
            return None
        return "+".join(f"|{group}|" for group in groups)
    return None


def _text_201(operations: Sequence[Any]) -> str | None:
    if not all(isinstance(operation, str) for operation in operations):
        return None
    parts = [f"{_operation(name)}~{source}" for name, (source, _) in zip(operations, _EDGES_201, strict=True)]
    return f"|{parts[0]}|+|{parts[1]}|{parts[2]}|+|{parts[3]}|{parts[4]}|{parts[5]}|"


def _operation(name: Any) -> str:
    return _OTHER_OPERATIONS.get(str(name), str(name))


def _nasbench101(document: dict[str, Any]) -> dict[str, Any]:
    matrix, ops = (_listed(document.get(field)) for field in ("matrix", "ops"))
    rows = _bits(matrix)
    if rows is None or not isinstance(ops, list | tuple) or len(ops) != len(rows):
        return {**document, **({} if rows is None else {"matrix": rows})}
    edges = sum(map(sum, rows))
    if len(rows) > _MOST_VERTICES_LEFT or edges > _MOST_EDGES_LEFT or None in ops:
        kept = _live(rows)
        rows, ops = [[rows[i][j] for j in kept] for i in kept], [ops[vertex] for vertex in kept]
    return {**document, "matrix": rows, "ops": list(ops)}


def _listed(value: Any) -> Any:
    """A list that a table holds as text."""
    if isinstance(value, str) and value.strip().startswith(("[", "(")):
        try:
            return parse_python(value)
        except ValueError:
            return value
    return value


def _bits(matrix: Any) -> list[list[int]] | None:
    """A square matrix of zeros and ones, whatever they are written as; None for anything else."""
    if not isinstance(matrix, list | tuple) or len(matrix) > _MOST_VERTICES:
        return None
    rows = []
    for row in matrix:
        if not isinstance(row, list | tuple) or len(row) != len(matrix):
            return None
        if not all(isinstance(entry, int | float) and entry in (0, 1) for entry in row):
            return None
        rows.append([int(entry) for entry in row])
    return rows


def _live(rows: list[list[int]]) -> list[int]:
    """The vertices on paths from the first to the last; the two ends alone where there is none."""
    size = len(rows)
    after, before = {0}, {size - 1}
    for vertex in range(1, size):
        if any(rows[source][vertex] for source in after if source < vertex):
            after.add(vertex)
    for vertex in reversed(range(size - 1)):
        if any(rows[vertex][reader] for reader in before if reader > vertex):
            before.add(vertex)
    return sorted((after & before) | {0, size - 1})


def _darts(document: dict[str, Any]) -> dict[str, Any]:
    genotype = document.get("genotype")
    if isinstance(genotype, str):
        genotype = _parsed_genotype(genotype)
    if not isinstance(genotype, Mapping):
        return document
    if is_nni(genotype):
        return {**document, **nni_document({**genotype, **_options_of_darts(document)})}
    plain = {
        _GENOTYPE[key] if isinstance(key, int) and key < 4 else key: value for key, value in genotype.items()
    }
    for cell in ("normal", "reduce"):
        if cell in plain:
            plain[cell] = _flat_pairs(plain[cell])
    return {**document, "genotype": plain}


def _options_of_darts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Options beside a genotype go before those within."""
    return {key: value for key, value in document.items() if key not in ("genotype", "format")}


def _parsed_genotype(text: str) -> Any:
    start = text.find("Genotype(")
    try:
        return parse_python(text if start < 0 else text[start:])
    except ValueError:
        raise InvalidArchitecture(
            "The text of the genotype is not what DARTS prints.",
            field="/genotype",
            hint="For example Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], "
            "normal_concat=range(2, 3), reduce=[...], reduce_concat=range(2, 3)).",
        ) from None


def _flat_pairs(pairs: Any) -> Any:
    """[operation, state] pairs one after the other, from those of each node."""
    if isinstance(pairs, list | tuple) and pairs and all(_is_nested(node) for node in pairs):
        return [pair for node in pairs for pair in node]
    return pairs


def _is_nested(node: Any) -> bool:
    return isinstance(node, list | tuple) and bool(node) and isinstance(node[0], list | tuple)


def _nats_size(document: dict[str, Any]) -> dict[str, Any]:
    sizes = document.get("sizes")
    if isinstance(sizes, str) and re.fullmatch(r"\s*\d{1,4}(\s*:\s*\d{1,4})*\s*", sizes):
        return {**document, "sizes": [int(size) for size in sizes.split(":")]}
    return document


def _nasbench_macro(document: dict[str, Any]) -> dict[str, Any]:
    code = document.get("code")
    if isinstance(code, list | tuple) and all(digit in (0, 1, 2, "0", "1", "2") for digit in code):
        return {**document, "code": "".join(str(int(digit)) for digit in code)}
    if isinstance(code, int) and not isinstance(code, bool) and code >= 0:
        return {**document, "code": str(code).zfill(8)}
    return document


_CHANGES: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "nasbench201": _nasbench201,
    "nasbench101": _nasbench101,
    "darts": _darts,
    "nats_size": _nats_size,
    "nasbench_macro": _nasbench_macro,
}
