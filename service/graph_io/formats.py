"""The formats of architectures: a row each. Nothing is loaded before a document needs it."""

from __future__ import annotations

from dataclasses import dataclass

_CELLS = "service.graph_io.cells"


@dataclass(frozen=True, slots=True)
class Format:
    """model: `module:class` by which documents are read and the schema is made; None where a schema of its
    own is read by. reader: `module:function` of a document and limits; None where it takes more than these.
    marks: fields that say the format where it is not named.
    """

    name: str
    model: str | None
    reader: str | None
    marks: tuple[str, ...] = ()

    @property
    def is_space(self) -> bool:
        """Whether its documents are the networks of one space, and not of any kind."""
        return self.model is not None and self.model.startswith(_CELLS)


_ROWS = (
    Format("onnx", "service.graph_io.references:OnnxDocument", None),
    Format("graph", None, "service.graph_io.json_reader:read_json_graph"),
    Format(
        "nasbench201",
        f"{_CELLS}.nasbench201:NASBench201Document",
        f"{_CELLS}.nasbench201:read_nasbench201",
    ),
    Format(
        "nasbench101",
        f"{_CELLS}.nasbench101:NASBench101Document",
        f"{_CELLS}.nasbench101:read_nasbench101",
        marks=("matrix", "ops"),
    ),
    Format("nats_size", f"{_CELLS}.nats_size:NatsSizeDocument", f"{_CELLS}.nats_size:read_nats_size"),
    Format(
        "nasbench_macro",
        f"{_CELLS}.nasbench_macro:NASBenchMacroDocument",
        f"{_CELLS}.nasbench_macro:read_nasbench_macro",
    ),
    Format(
        "darts",
        f"{_CELLS}.darts_document:DartsDocument",
        f"{_CELLS}.darts:read_darts",
        marks=("normal", "reduce"),
    ),
    Format("smash", f"{_CELLS}.smash:SmashDocument", f"{_CELLS}.smash:read_smash", marks=("blocks",)),
    Format("ghn1", f"{_CELLS}.ghn1:GHN1Document", f"{_CELLS}.ghn1:read_ghn1", marks=("operations",)),
    Format("anytime", f"{_CELLS}.anytime:AnytimeDocument", f"{_CELLS}.anytime:read_anytime"),
    Format("torchvision", "service.graph_io.references:TorchvisionDocument", None),
)

FORMATS: dict[str, Format] = {row.name: row for row in _ROWS}
