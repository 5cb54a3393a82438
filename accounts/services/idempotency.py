"""Give one answer for one Idempotency-Key."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.domain.idempotency import KEPT_FOR, IdempotencyClaim

_KEYS_FORGET = "DELETE FROM accounts_idempotencykey WHERE account_id = %s AND answered_at <= %s"
_KEY_CLAIM = """
INSERT INTO accounts_idempotencykey (account_id, key, request_hash, status, body, answered_at)
VALUES (%s, %s, %s, 0, 'null', %s) ON CONFLICT DO NOTHING
"""
_KEY_READ = """
SELECT id, request_hash, status, body::text FROM accounts_idempotencykey WHERE account_id = %s AND key = %s
"""
_KEY_ANSWER = "UPDATE accounts_idempotencykey SET status = %s, body = %s WHERE id = %s AND status = 0"


@transaction.atomic
def idempotency_claim(*, account_id: UUID, key: str, request_hash: bytes, at: datetime) -> IdempotencyClaim:
    """Claim an Idempotency-Key, or return what an earlier request under it claimed and was answered."""
    with connection.cursor() as cursor:
        cursor.execute(_KEYS_FORGET, [account_id, at - KEPT_FOR])
        cursor.execute(_KEY_CLAIM, [account_id, key, request_hash, at])
        cursor.execute(_KEY_READ, [account_id, key])
        row = cursor.fetchone()
    return IdempotencyClaim(row[0], bytes(row[1]), row[2], json.loads(row[3]))


def idempotency_answer(*, claim: IdempotencyClaim, status: int, body: Any) -> None:
    """Keep the answer of the first request under a key; a second one changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_KEY_ANSWER, [status, json.dumps(body), claim.id])
