"""Write JSON, and only JSON."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from django.http import HttpResponse
from rest_framework.renderers import BaseRenderer

from trading_portal.kernel.money import plain


def _unknown(value: object) -> str:
    """Write what orjson does not know: a Decimal, as a plain string."""
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"{type(value).__name__} has no JSON form.")


def encode(value: Any) -> bytes:
    """Return JSON: decimals as strings, times in UTC with a Z."""
    return orjson.dumps(value, default=_unknown, option=orjson.OPT_UTC_Z)


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer for plain views."""
    return HttpResponse(encode(value), status=status, headers=headers, content_type=JsonRenderer.media_type)


class JsonRenderer(BaseRenderer):
    """Render REST framework's answers; bytes that are JSON already pass unchanged."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the body; empty for None."""
        if isinstance(data, bytes):
            return data
        return b"" if data is None else encode(data)
