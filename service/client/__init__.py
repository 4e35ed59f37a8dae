"""The Python client of Weightcast: sends architectures, brings back weights.

    from weightcast import Client

    with Client("http://127.0.0.1:8000") as client:
        weights = client.predict_weights(model)      # a torch module; only its graph is sent
        weights.apply_to(model)

`AsyncClient` has the same methods, awaited. What a call can raise:

WeightcastError
|- ConnectionFailed         the service could not be reached, or the connection broke for good
|- UnexpectedAnswer         the answer is not what the contract says, or a download is damaged
|- ApiError                 the service (or a reader on this side) refused; carries the problem document
|  |- BadRequest            400, 405, 415 and other 4xx: the request could not be read
|  |- Unauthorized          401
|  |- Forbidden             403
|  |- NotFound              404, 410
|  |- Conflict              409
|  |- TooLarge              413
|  |- Refused               422  not acceptable: a cycle, a shape that does not fit, an unknown model
|  |- RateLimited           429  retry_after_seconds
|  |- ServerError           5xx
|     |- Unavailable        503  retry_after_seconds
|- JobError                 carries the job
   |- JobFailed             it ended in an error; carries its problem document
   |- JobCancelled          somebody cancelled it
   |- JobTimeout            it had not ended in time; it goes on: `client.wait_for_job(job.id)`

WeightsDoNotFit (a WeightcastError and a ValueError) comes from `PredictedWeights.apply_to`.
"""

from __future__ import annotations

from service.client._architectures import Architecture
from service.client._errors import (
    ApiError,
    BadRequest,
    Conflict,
    ConnectionFailed,
    Forbidden,
    JobCancelled,
    JobError,
    JobFailed,
    JobTimeout,
    NotFound,
    RateLimited,
    Refused,
    ServerError,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    WeightcastError,
)
from service.client._results import (
    About,
    FineTuningResult,
    FittedPredictor,
    Health,
    Job,
    JobEvent,
    Model,
    Progress,
    Ranking,
    SearchResult,
)
from service.client._retry import RetryPolicy
from service.client.applied import Applied, WeightsDoNotFit
from service.client.async_client import AsyncClient
from service.client.client import Client
from service.client.fine_tuned import FineTuned
from service.client.job_table import JobTable
from service.client.weights import PredictedWeights
from service.contract.results import (
    Comparison,
    Embeddings,
    PredictionResult,
    RankedArchitecture,
    SkippedArchitecture,
    WeightsFile,
)
from service.contract.training_results import Epoch, FoundArchitecture

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
