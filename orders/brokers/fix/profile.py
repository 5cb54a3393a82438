"""How to reach a venue by FIX, and as whom."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from orders.domain.fix import BEGIN_STRING

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\[\]#=]+$")]
_Optional = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[^\x00-\x1f]*$")]
_Time = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$")]
_Day = Annotated[str, msgspec.Meta(pattern=r"^(sunday|monday|tuesday|wednesday|thursday|friday|saturday|)$")]
_Seconds = Annotated[int, msgspec.Meta(ge=1, le=300)]


class FixProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One session with one venue, as the venue's onboarding paper says.

    Sequence numbers begin anew at `start_time` UTC each day, or on `start_day` each week; both sides must agree.
    `account` goes out as FIX 1, `destination` as 100. `extended_session` is the venue's word for trading outside
    regular hours (FIX 336); without it such orders are refused here. `mass_status`: the venue answers when it is asked
    for all open orders at once (35=AF). TLS, where a venue wants it, ends outside: `host` and `port` name the tunnel.
    """

    host: _Text
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    sender_comp_id: _Text
    target_comp_id: _Text
    username: _Optional = ""
    password: _Optional = ""
    account: _Optional = ""
    destination: _Optional = ""
    extended_session: _Optional = ""
    heartbeat_seconds: _Seconds = 10
    reconnect_seconds: _Seconds = 1
    start_time: _Time = "00:00:00"
    end_time: _Time = "00:00:00"
    start_day: _Day = ""
    end_day: _Day = ""
    resets_on_logon: bool = False
    mass_status: bool = False
    answer_seconds: Annotated[float, msgspec.Meta(gt=0, le=4.0)] = 3.5


def profile_from(texts: Mapping[str, str]) -> FixProfile:
    """Return a profile from what is configured, where nothing stands for the default; msgspec.ValidationError."""
    given = {name.lower(): text for name, text in texts.items() if text}
    return msgspec.convert(given, FixProfile, strict=False)


def engine_settings(profile: FixProfile, folder: Path) -> str:
    """Return the profile as QuickFIX reads it.

    Nothing a venue sends is refused by a dictionary of ours: what cannot be understood is parked and shown to people.
    What we sent is not kept to be sent again: a request goes out once, and its number is then filled with a gap.
    """
    lines = [
        "[DEFAULT]",
        "ConnectionType=initiator",
        f"ReconnectInterval={profile.reconnect_seconds}",  # read from here only
        "[SESSION]",
        f"BeginString={BEGIN_STRING}",
        f"SenderCompID={profile.sender_comp_id}",
        f"TargetCompID={profile.target_comp_id}",
        f"SocketConnectHost={profile.host}",
        f"SocketConnectPort={profile.port}",
        "SocketNodelay=Y",
        f"HeartBtInt={profile.heartbeat_seconds}",
        f"StartTime={profile.start_time}",
        f"EndTime={profile.end_time}",
        f"ResetOnLogon={'Y' if profile.resets_on_logon else 'N'}",
        f"FileStorePath={folder}",
        "UseDataDictionary=N",
        "CheckLatency=N",
        "PersistMessages=N",
    ]
    if profile.start_day and profile.end_day:
        lines += [f"StartDay={profile.start_day[:2].upper()}", f"EndDay={profile.end_day[:2].upper()}"]
    return "\n".join([*lines, ""])
