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

import service.client  # noqa: E402  (after the check, which explains why this import could fail)
from service.client import *  # noqa: E402, F403  (the names are declared there alone)

__all__ = service.client.__all__
