"""Place what requests ask for in as few transactions as can be, and answer each of them, whatever fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

from accounts.domain.rates import RateAnswer
from audit.sql import statements_keep
from orders.domain.commands import PlaceOrder
from orders.domain.facts import Placement
from orders.domain.reasons import sentence
from orders.services.authorising import KeyedOrders, LetIn
from orders.services.baskets import baskets_among
from trading_portal.kernel import clock
from trading_portal.kernel.errors import PortalError, Unavailable, reason

Place = Callable[..., list[Placement]]
LetInAll = Callable[..., list[LetIn | PortalError]]
Asked = tuple[PlaceOrder, ...] | KeyedOrders
# What the server says of one transaction, not of itself: a statement cancelled, a lock not had, a deadlock, a conflict.
_OF_ONE_TRANSACTION = {"57014", "55P03", "40P01", "40001"}

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Request:
    """What one request asks for; the orders of a basket are taken whole or not at all."""

    asked: Asked
    is_basket: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to one request: a placement for each of its orders, and what its API key has left."""

    placements: tuple[Placement, ...]
    rate: RateAnswer | None = None


R = TypeVar("R", bound=Request)
Answer = tuple[R, Placed | PortalError]
LetInRequests = Sequence[tuple[R, LetIn]]


def unavailable(code: str) -> Unavailable:
    """Return the answer to whom nobody can answer otherwise now."""
    return Unavailable(reason(code), sentence(code, {}))


class Committer(Generic[R]):
    """Let requests in and place them, on one thread and its own connection; a batch that fails is split."""

    def __init__(self, *, place: Place, let_in: LetInAll) -> None:
        self._place = place
        self._let_in = let_in
        self._prepared: object = None

    def placed(self, batch: Sequence[R]) -> list[Answer[R]]:
        """Return an answer for every request, whatever fails."""
        at = clock.now()
        try:
            self._prepare()
            try:
                allowed, answers = self._allowed(batch, at)
            except (OperationalError, InterfaceError) as error:
                # The connection was lost while nothing happened; nothing was asked of the database before this.
                log.warning("placements.connected_again", requests=len(batch), error=str(error))
                connection.close()
                self._prepare()
                allowed, answers = self._allowed(batch, at)
        except PortalError as error:
            return [(request, error) for request in batch]
        except Exception:
            log.exception("placements.failed", requests=len(batch))
            connection.close()
            return [(request, unavailable("PLACEMENT_FAILED")) for request in batch]
        return answers + self._split(allowed, at, is_retry=False)

    def _allowed(self, batch: Sequence[R], at: datetime) -> tuple[list[tuple[R, LetIn]], list[Answer[R]]]:
        """Return what may be placed, in the order it came, and the answers to what may not."""
        keyed = [(request, request.asked) for request in batch if isinstance(request.asked, KeyedOrders)]
        told = self._let_in([asked for _, asked in keyed], at=at) if keyed else []
        by_request = {id(request): answer for (request, _), answer in zip(keyed, told, strict=True)}
        allowed: list[tuple[R, LetIn]] = []
        answers: list[Answer[R]] = []
        for request in batch:
            answer = LetIn(request.asked, None) if isinstance(request.asked, tuple) else by_request[id(request)]
            if isinstance(answer, LetIn):
                allowed.append((request, answer))
            else:
                answers.append((request, answer))
        return allowed, answers

    def _split(self, requests: LetInRequests[R], at: datetime, *, is_retry: bool) -> list[Answer[R]]:
        """Place requests in one transaction; when that fails, in two, until the culprit is alone.

        Never raises: what another part has committed by then is answered as what it is.
        """
        if not requests:
            return []
        try:
            return self._in_one(requests, at)
        except (OperationalError, InterfaceError) as error:
            return self._after_database_error(requests, at, error, is_retry=is_retry)
        except Unavailable as error:
            # Nobody can decide now: asking for each order alone would only take longer.
            return [(request, error) for request, _ in requests]
        except PortalError as error:
            return self._halves(requests, at, error, is_retry=is_retry)
        except Exception:
            if len(requests) == 1:
                log.exception("placements.order_failed", orders=len(requests[0][1].commands))
            return self._halves(requests, at, unavailable("PLACEMENT_FAILED"), is_retry=is_retry)

    def _in_one(self, requests: LetInRequests[R], at: datetime) -> list[Answer[R]]:
        """Place requests in one transaction."""
        commands = [command for _, let_in in requests for command in let_in.commands]
        baskets = baskets_among((len(let_in.commands), request.is_basket) for request, let_in in requests)
        placements = iter(self._place(commands=commands, at=at, **({"baskets": baskets} if baskets else {})))
        return [
            (request, Placed(tuple(next(placements) for _ in let_in.commands), let_in.rate))
            for request, let_in in requests
        ]

    def _after_database_error(
        self, requests: LetInRequests[R], at: datetime, error: Exception, *, is_retry: bool
    ) -> list[Answer[R]]:
        """Try once more, for a lost connection or a deadlock is nobody's fault; the ids make that harmless.

        What the server says of this one transaction twice is the fault of some order; else nobody can decide now.
        """
        failed = unavailable("PLACEMENT_FAILED")
        if is_retry and getattr(error.__cause__, "sqlstate", None) in _OF_ONE_TRANSACTION:
            return self._halves(requests, at, failed, is_retry=True)
        log.warning("placements.database_error", requests=len(requests), is_retry=is_retry, error=str(error))
        connection.close()
        if not is_retry:
            try:
                self._prepare()
            except (OperationalError, InterfaceError) as lost:
                log.warning("placements.not_connected", requests=len(requests), error=str(lost))
            else:
                return self._split(requests, at, is_retry=True)
        return [(request, failed) for request, _ in requests]

    def _halves(
        self, requests: LetInRequests[R], at: datetime, error: PortalError, *, is_retry: bool
    ) -> list[Answer[R]]:
        """Place each half by itself; what fails alone has found its culprit."""
        if len(requests) == 1:
            return [(requests[0][0], error)]
        half = len(requests) // 2
        first = self._split(requests[:half], at, is_retry=is_retry)
        return first + self._split(requests[half:], at, is_retry=is_retry)

    def _prepare(self) -> None:
        """Make this thread's connection fit for the hot path."""
        connection.ensure_connection()
        if connection.connection is self._prepared:
            return
        statements_keep(connection)
        self._prepared = connection.connection
