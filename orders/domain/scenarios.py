"""Name what a paper venue shall do with an order, so that partners can try their side of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "scn-"


class Act(StrEnum):
    """One thing a paper venue does in a scenario."""

    ACKNOWLEDGE = "acknowledge"
    REJECT = "reject"
    FILL = "fill"
    FILL_HALF = "fill half"
    FILL_TOO_MUCH = "fill too much"
    FILL_LATE = "fill late"
    BUST = "bust"
    CORRECT = "correct"
    CANCEL = "cancel"
    EXPIRE = "expire"
    STOP = "stop"
    SUSPEND = "suspend"
    RELEASE = "release"
    END_DAY = "end the day"
    RENEW = "renew"
    CALCULATE = "calculate"
    STRAY = "stray"
    WORK = "work"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens to an order, act by act; each group of acts comes a pause after the one before.

    Without the act `work` the order never meets the market. `is_silent`: nothing is reported until the venue is asked;
    `is_doubled`: every report comes twice. The venue refuses the first so many requests to cancel or replace.
    """

    acts: tuple[tuple[Act, ...], ...]
    is_silent: bool = False
    is_doubled: bool = False
    refused_cancels: int = 0
    refused_replaces: int = 0


_ACK = Act.ACKNOWLEDGE
SCENARIOS: Mapping[str, Scenario] = {
    "reject": Scenario(((Act.REJECT,),)),
    "rest": Scenario(((_ACK,),)),
    "fill": Scenario(((_ACK, Act.FILL),)),
    "partial": Scenario(((_ACK, Act.FILL_HALF),)),
    "slow": Scenario(((), (_ACK, Act.WORK))),
    "silence": Scenario(((_ACK, Act.WORK),), is_silent=True),
    "duplicate": Scenario(((_ACK, Act.WORK),), is_doubled=True),
    "fill_first": Scenario(((Act.FILL, _ACK),)),
    "late_fill": Scenario(((_ACK,), (Act.CANCEL,), (Act.FILL_LATE,))),
    "over_fill": Scenario(((_ACK, Act.FILL_TOO_MUCH),)),
    "bust": Scenario(((_ACK, Act.FILL), (Act.BUST,))),
    "correct": Scenario(((_ACK, Act.FILL), (Act.CORRECT,))),
    "cancel": Scenario(((_ACK,), (Act.CANCEL,))),
    "cancel_reject": Scenario(((_ACK,),), refused_cancels=1),
    "replace_reject": Scenario(((_ACK,),), refused_replaces=1),
    "expire": Scenario(((_ACK,), (Act.EXPIRE,))),
    "stop": Scenario(((_ACK,), (Act.STOP,), (Act.FILL,))),
    "suspend": Scenario(((_ACK,), (Act.SUSPEND,), (Act.RELEASE, Act.WORK))),
    "done_for_day": Scenario(((_ACK,), (Act.END_DAY,), (Act.RENEW, Act.WORK))),
    "calculate": Scenario(((_ACK, Act.FILL), (Act.CALCULATE,))),
    "stray": Scenario(((_ACK, Act.STRAY, Act.WORK),)),
}


def scenario_of(client_order_id: str) -> str:
    """Return the scenario that an order's sender asks for: `bust` of `scn-bust-…`; empty for an ordinary order."""
    return client_order_id.split("-", 2)[1] if client_order_id.startswith(PREFIX) else ""
