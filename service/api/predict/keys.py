"""When two requests ask for the same thing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from service.contract.predict import PredictOptions
from service.graph_io.references import TorchvisionDocument
from service.weights.output import POSTPROCESS_VERSION


def _sha256(*parts: str) -> str:
    """Of the parts and their boundaries: ("ab", "c") and ("a", "bc") differ."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def submission_key(content: str, kind: str, options: PredictOptions, model_digest: str) -> str:
    """Equal for requests that sent the same bytes with the same options: they need not be read to know their
    digest.
    """
    return _sha256(
        "submission", content, kind, *_option_parts(options), model_digest, str(POSTPROCESS_VERSION)
    )


def prediction_digest(
    architecture: str, options: PredictOptions, model_digest: str, source_onnx: str | None
) -> str:
    """Digest of an answer: it names the file, the cache entry and the shared job.

    architecture: digest of the graph, or of a reference. source_onnx: SHA-256 of the user's file where the
    answer is that file with its weights filled in, for then everything in it matters, not only its graph.
    """
    return _sha256(
        "prediction",
        architecture,
        *_option_parts(options),
        model_digest,
        str(POSTPROCESS_VERSION),
        source_onnx or "",
    )


def reference_digest(reference: TorchvisionDocument) -> str:
    return _sha256("torchvision", json.dumps(asdict(reference), separators=(",", ":")))


def _option_parts(options: PredictOptions) -> tuple[str, ...]:
    return (options.dtype, options.output, str(options.include_classifier))
