"""Know who logs on: the key by its id and secret, as over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accounts.api.authentication import credentials_usable
from accounts.api.pool import in_pool
from accounts.domain.keys import SCOPE_TRADE, grant_refusal
from accounts.domain.types import KeyGrant
from accounts.selectors import keys_verify
from orders.domain.errors import KeyForbidden, KeyNotAccepted
from orders.domain.fix import BEGIN_STRING, MsgType, Tag
from trading_portal.kernel import clock

_BEGIN_STRING_TAG = 8


@dataclass(frozen=True, slots=True)
class Known:
    """Who logs on: what the key grants, and what proves it from now on."""

    grant: KeyGrant
    credentials: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Say why a logon is refused."""

    text: str


async def known(fields: Mapping[int, str], *, comp_id: str, address: str) -> Known | Refusal:
    """Return who a first message is from, or why nobody is let in; nothing of a session is touched for this."""
    if fields.get(Tag.MSG_TYPE) != MsgType.LOGON or fields.get(_BEGIN_STRING_TAG) != BEGIN_STRING:
        return Refusal(f"The first message must be a {BEGIN_STRING} Logon.")
    if fields.get(Tag.TARGET_COMP_ID) != comp_id:
        return Refusal(f"TargetCompID (56) must be {comp_id}.")
    secret = fields.get(Tag.PASSWORD) or fields.get(Tag.RAW_DATA)
    credentials = credentials_usable(fields.get(Tag.SENDER_COMP_ID), secret)
    if credentials is None:
        return Refusal(KeyNotAccepted().sentence)
    (grant,) = await in_pool(keys_verify, [credentials], clock.now())
    if grant is None:
        return Refusal(KeyNotAccepted().sentence)
    why = grant_refusal(grant, scope=SCOPE_TRADE, address=address)
    return Refusal(KeyForbidden(why).sentence) if why else Known(grant, credentials)
