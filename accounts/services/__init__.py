"""Open accounts and lock them, let in who may act for them, and count what they ask for."""

from accounts.services.access import access_changed
from accounts.services.accounts import (
    account_configure,
    account_open,
    accounts_lock,
    accounts_lock_later,
    accounts_sequences_save,
    api_key_create,
    api_key_revoke,
)
from accounts.services.admitting import TakeRates, calls_admit, orders_request, rates_take, reads_request
from accounts.services.idempotency import idempotency_answer, idempotency_claim
from accounts.services.people import person_ensure, person_preferences_change, sign_in_succeeded, sign_in_try

__all__ = [
    "TakeRates",
    "access_changed",
    "account_configure",
    "account_open",
    "accounts_lock",
    "accounts_lock_later",
    "accounts_sequences_save",
    "api_key_create",
    "api_key_revoke",
    "calls_admit",
    "idempotency_answer",
    "idempotency_claim",
    "orders_request",
    "person_ensure",
    "person_preferences_change",
    "rates_take",
    "reads_request",
    "sign_in_succeeded",
    "sign_in_try",
]
