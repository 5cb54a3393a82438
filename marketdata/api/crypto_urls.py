"""Addresses of crypto market data, under the root and the version that it has at Alpaca."""

from __future__ import annotations

from django.urls import path

from accounts.api.pool import resource
from accounts.api.reading import reading
from marketdata.api import bars, reads

urlpatterns = [
    path("crypto/us/bars", resource(bars.CryptoBars, get=reading(reads.CRYPTO_BARS)), name="api-crypto-bars"),
    path(
        "crypto/us/latest/bars",
        resource(bars.CryptoBarsLatest, get=reading(reads.CRYPTO_BARS_LATEST)),
        name="api-crypto-bars-latest",
    ),
]
