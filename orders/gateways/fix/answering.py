"""What a partner is answered at once: the log will tell everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid5

from orders.domain.fix import MsgType, Tag
from orders.gateways.fix.engine import Inbound
from orders.gateways.fix.following import Scope
from orders.gateways.fix.telling import Message
from trading_portal.kernel.errors import Reason, reason

# FIX 380.
UNSUPPORTED: Final = "3"
UNAVAILABLE: Final = "4"
NOT_AUTHORIZED: Final = "6"


@dataclass(slots=True)
class Done:
    """What came of some messages: what to answer at once, which requests that answers, why the session is over."""

    messages: list[Message] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    why_over: str = ""

    def add(self, other: Done) -> None:
        """Take in what came of further messages."""
        self.messages += other.messages
        self.answered |= other.answered
        self.why_over = self.why_over or other.why_over


def business_reject(message: Inbound, code: str, text: str) -> Message:
    """Return the BusinessMessageReject of a message that could not be acted on; nothing came of it."""
    fields: list[tuple[int, str]] = [
        (Tag.REF_SEQ_NUM, str(message.number)),
        (Tag.REF_MSG_TYPE, message.type),
        (Tag.BUSINESS_REJECT_REASON, code),
        (Tag.TEXT, text),
    ]
    named = message.fields.get(Tag.CL_ORD_ID)
    if named is not None:
        fields.append((Tag.BUSINESS_REJECT_REF_ID, named))
    return Message(MsgType.BUSINESS_REJECT, fields)


def account_faults(scope: Scope, fields: Mapping[int, str]) -> list[Reason]:
    """Return why a message is for another account than the key's."""
    given = fields.get(Tag.ACCOUNT, scope.account_number)
    return [] if given == scope.account_number else [reason("ACCOUNT_NOT_FOUND")]


def exec_id_of(scope: Scope, message: Inbound) -> UUID:
    """Return an ExecID for a report that no event stands behind: the same again when the message is sent again."""
    sent_at = message.fields.get(Tag.ORIG_SENDING_TIME) or message.fields[Tag.SENDING_TIME]
    return uuid5(scope.session_id, f"{message.number}:{sent_at}")
