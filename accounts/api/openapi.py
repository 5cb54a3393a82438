"""Tell the OpenAPI document how callers authenticate and what errors look like."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from accounts.api.errors import MEDIA_TYPE


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Describe the two headers."""

    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = ["ApiKeyId", "ApiSecretKey"]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        """Return one apiKey scheme for each header."""
        return [
            {"type": "apiKey", "in": "header", "name": "APCA-API-KEY-ID"},
            {"type": "apiKey", "in": "header", "name": "APCA-API-SECRET-KEY"},
        ]

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[str]]:
        """Require both headers together."""
        return {name: [] for name in self.name}


class Document(serializers.Serializer[Any]):
    """Describe a JSON object; `more` holds fields whose names a class attribute cannot have."""

    more: ClassVar[Mapping[str, serializers.Field[Any, Any, Any, Any]]] = {}

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the declared fields, then `more`."""
        return {**super().get_fields(), **deepcopy(dict(self.more))}


class ErrorEntry(Document):
    """One reason."""

    code = serializers.CharField(help_text="What was wrong, in UPPER_CASE.")
    facts = serializers.DictField(child=serializers.CharField(), help_text="The values that decided.")
    sentence = serializers.CharField(help_text="The same for people.")


class ProblemDocument(Document):
    """RFC 9457, with Alpaca's `code` and `message`."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    request_id = serializers.CharField()
    code = serializers.IntegerField()
    message = serializers.CharField()
    more: ClassVar = {"errors": ErrorEntry(many=True)}


_SENTENCES = {
    401: "The key is missing, wrong, expired or revoked (40110000).",
    403: "The key may not do this, or risk refused the order, with every reason (40310000).",
    404: "Not there, or another account's (40410000).",
    413: "The body is too large.",
    422: "Not understood (42210000); or the client_order_id belongs to another order (40010001).",
    429: "Over the rate limit; Retry-After says for how long.",
    503: "Cannot be decided now; send the same request again after Retry-After.",
}


IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    location=OpenApiParameter.HEADER,
    description="The ETag of an answer that you have; when it still is the answer, 304 comes without a body.",
)
NOT_MODIFIED = {304: OpenApiResponse(description="The answer is the one that the ETag named.")}


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the answers for these statuses and for those that every address may give."""
    return {
        (status, MEDIA_TYPE): OpenApiResponse(ProblemDocument, description=_SENTENCES[status])
        for status in sorted({401, 403, 429, 503, *statuses})
    }
