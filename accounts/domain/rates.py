"""How often a caller may ask: an exact sliding window, counted in one place for all processes."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_SECONDS = 60

# One list per caller. An entry is "instant:total": how much had been taken when it was written; the first entry is the
# newest one that has left the window, so what the window holds is the last total less the first. No other structure
# is both exact and one entry per batch. The instant is Redis's own, so that processes cannot disagree about it.
TAKE_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local window = tonumber(ARGV[1])
local answers = {}
local function read(entry)
  local at, total = string.match(entry, '(%d+):(%d+)')
  return tonumber(at), tonumber(total)
end
local function write(key, at, total)
  redis.call('RPUSH', key, string.format('%.0f:%.0f', at, total))
end
for i = 2, #ARGV, 3 do
  local key, limit, cost = KEYS[tonumber(ARGV[i])], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  if redis.call('EXISTS', key) == 0 then write(key, 0, 0) end
  local newest_at, newest = read(redis.call('LINDEX', key, -1))
  local at = math.max(now, newest_at)
  local oldest = redis.call('LINDEX', key, 1)
  while oldest and read(oldest) <= at - window do
    redis.call('LPOP', key)
    oldest = redis.call('LINDEX', key, 1)
  end
  local _, base = read(redis.call('LINDEX', key, 0))
  local allowed = newest - base + cost <= limit
  if allowed then
    newest = newest + cost
    if newest_at == at then redis.call('RPOP', key) end
    write(key, at, newest)
    redis.call('PEXPIRE', key, math.ceil(window / 1000) + 1000)
  end
  local wait, index = 0, 1
  local leaving = redis.call('LINDEX', key, index)
  while leaving do
    local left_at, total = read(leaving)
    wait = left_at + window - at
    if allowed or newest - total + cost <= limit then break end
    index = index + 1
    leaving = redis.call('LINDEX', key, index)
  end
  table.insert(answers, allowed and 1 or 0)
  table.insert(answers, limit - (newest - base))
  table.insert(answers, wait)
end
return answers
"""


@dataclass(frozen=True, slots=True)
class RateRequest:
    """Ask to take `cost` from a caller's budget of `limit` a window; all of it or nothing."""

    key: str
    limit: int
    cost: int = 1


@dataclass(frozen=True, slots=True)
class RateAnswer:
    """Say whether the cost was taken, what is left, and in how many seconds more comes free (rounded up)."""

    key: str
    is_allowed: bool
    limit: int
    remaining: int
    wait_seconds: int
    cost: int = 1

    @property
    def policy(self) -> str:
        """Return which of a key's budgets this is."""
        return self.key.partition(":")[0]


def orders_key(key_id: str) -> str:
    """Name the budget of orders of an API key."""
    return f"orders:{key_id}"


def requests_key(key_id: str) -> str:
    """Name the budget of other requests of an API key."""
    return f"requests:{key_id}"
