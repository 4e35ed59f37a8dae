"""Commands over several networks: what is sent of their sources, and the status that the others leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from service.cli.console import ReportProgress
from service.cli.details import Details
from service.cli.failures import FAILED, REFUSED, report
from service.cli.remote import Refusal

if TYPE_CHECKING:
    from service.client import Client
    from service.client._results import Progress
    from service.contract.results import SkippedArchitecture


@dataclass(slots=True)
class Networks:
    """names: sources of the documents, in their order. statuses: of the sources that failed and were told."""

    names: list[str] = field(default_factory=list)
    documents: list[Mapping[str, Any]] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    @property
    def exit_status(self) -> int:
        """0 if nothing failed."""
        if not self.statuses:
            return 0
        return REFUSED if self.statuses == {REFUSED} else FAILED

    def tell(self, error: Exception, source: str) -> None:
        """What is wrong with one source. Raises what is none of ours."""
        status = report(error, source=source)
        if status is None:
            raise error
        self.statuses.add(status)

    def tell_skipped(self, skipped: Sequence[SkippedArchitecture]) -> None:
        for item in skipped:
            problem = item.problem or {"detail": item.reason, "status": 422}
            self.tell(Refusal(problem), self.names[item.index])


def read_networks(sources: Sequence[str], progress: ReportProgress) -> Networks:
    """One that cannot be read is told, and does not stop the others."""
    from service.client._architectures import encode

    networks = Networks()
    for source in sources:
        progress(0, None, source)
        try:
            document = encode(Details().for_client(source)).document
        except Exception as error:
            networks.tell(error, source)
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


def steps(progress: ReportProgress) -> Any:
    """For the client, which tells a `Progress`."""

    def tell(step: Progress) -> None:
        progress(step.done, step.total, step.message)

    return tell
