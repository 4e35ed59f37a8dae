"""Weightcast in Python: the client, what it returns, and the errors that it raises.

    from weightcast import Client

    with Client("http://127.0.0.1:8000") as client:         # or Client.local(), without a service
        weights = client.predict_weights(model)              # a torch module; only its graph is sent
        weights.apply_to(model)

Everything here comes from `service.client`, whose docstring lists the errors. Import it from here: `service`
is a common name for folders, and Python would import a folder of that name next to your script instead.
"""

from __future__ import annotations

from weightcast._installed import check_not_hidden

check_not_hidden("service")

from service.client import (  # noqa: E402  (after the check, which explains why this import could fail)
    About,
    ApiError,
    Applied,
    Architecture,
    AsyncClient,
    BadRequest,
    Client,
    Comparison,
    Conflict,
    ConnectionFailed,
    Embeddings,
    Epoch,
    FineTuned,
    FineTuningResult,
    FittedPredictor,
    Forbidden,
    FoundArchitecture,
    Health,
    Job,
    JobCancelled,
    JobError,
    JobEvent,
    JobFailed,
    JobTable,
    JobTimeout,
    Model,
    NotFound,
    PredictedWeights,
    PredictionResult,
    Progress,
    RankedArchitecture,
    Ranking,
    RateLimited,
    Refused,
    RetryPolicy,
    SearchResult,
    ServerError,
    SkippedArchitecture,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    WeightcastError,
    WeightsDoNotFit,
    WeightsFile,
)

__all__ = [
    "About",
    "ApiError",
    "Applied",
    "Architecture",
    "AsyncClient",
    "BadRequest",
    "Client",
    "Comparison",
    "Conflict",
    "ConnectionFailed",
    "Embeddings",
    "Epoch",
    "FineTuned",
    "FineTuningResult",
    "FittedPredictor",
    "Forbidden",
    "FoundArchitecture",
    "Health",
    "Job",
    "JobCancelled",
    "JobError",
    "JobEvent",
    "JobFailed",
    "JobTable",
    "JobTimeout",
    "Model",
    "NotFound",
    "PredictedWeights",
    "PredictionResult",
    "Progress",
    "RankedArchitecture",
    "Ranking",
    "RateLimited",
    "Refused",
    "RetryPolicy",
    "SearchResult",
    "ServerError",
    "SkippedArchitecture",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "WeightcastError",
    "WeightsDoNotFit",
    "WeightsFile",
]
