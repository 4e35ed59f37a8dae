"""Commands over several networks: what is sent of their sources, and the status that the others leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from service.cli.console import ReportProgress
from service.cli.details import Details
from service.cli.failures import SourceFailures
from service.cli.remote import Refusal

if TYPE_CHECKING:
    from service.client import Client
    from service.contract.results import SkippedArchitecture


@dataclass(slots=True)
class Networks:
    """names: sources of the documents, in their order. failures: of the other sources."""

    names: list[str] = field(default_factory=list)
    documents: list[Mapping[str, Any]] = field(default_factory=list)
    failures: SourceFailures = field(default_factory=SourceFailures)

    def tell_skipped(self, skipped: Sequence[SkippedArchitecture]) -> None:
        for item in skipped:
            problem = item.problem or {"detail": item.reason, "status": 422}
            self.failures.tell(Refusal(problem), self.names[item.index])


def read_networks(sources: Sequence[str], progress: ReportProgress) -> Networks:
    """One that cannot be read is told, and does not stop the others."""
    from service.client._architectures import encode

    networks = Networks()
    for source in sources:
        progress(0, None, source)
        try:
            document = encode(Details().for_client(source)).document
        except Exception as error:
            networks.failures.tell(error, source)
        else:
            networks.names.append(source)
            networks.documents.append(document)
    return networks


@contextmanager
def client_of(url: str | None, api_key: str | None) -> Iterator[Client]:
    """Of a service, or of this process if there is no address."""
    from service.client import Client

    with Client.local() if url is None else Client(url, api_key=api_key, timeout=None) as client:
        yield client
