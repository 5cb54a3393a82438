"""Carry prices, candles and account events to every connected reader of this process.

One hub per event loop holds one Redis subscription (`hub:prices`, `hub:candles`, `hub:account:<id>`, and `hub:access`,
which names people whose access changed: the guard of open streams is told). Frames are text (JSON), encoded once per
distinct content. Prices are conflated per client; account events never are.

Every subscription begins with a snapshot, and every delta has `seq` and `prev`, the sequence that it builds upon: a
reader whose last one is older has missed something, and subscribes again. Conflation skips numbers, but no `prev`.

How a WebSocket consumer uses it:

    hub = get_hub()                                     # of the running loop; starts itself with the first join
    client = hub.join(send, close, user_id)             # send(text) and close(code) are coroutines; TooManyConnections
                                                        # line=line_of(scope): at once, without a task for each frame
    client.reply({"op": "pong", "id": 3})               # any answer, in order with everything else that is sent
    client.subscribe_quotes(symbols, rate=4, reply_to=id)           # ack, snapshot, then deltas; replaces the last list
    client.subscribe_depth(symbol, reply_to=id)                     # ack, snapshot, then deltas
    client.subscribe_candles(symbol, interval, reply_to=id)         # ack, snapshot of the last few, then deltas of one
                                                                    # candle each (history: GET /prices/candles)
    client.subscribe_account(account_id)                # authorise first; from now on its events are kept back,
    await hub.connected()                               # only then read the snapshot from the database, then
    client.start_account(account_id, ack, snapshot, sequence)       # sends both, then each event after `sequence`;
                                                                    # a snapshot for many is a Frame, made once
    client.unsubscribe("quotes" | "depth" | "candles" | "account", symbol, interval, account_id)
    client.leave()                                      # always, when the connection ends

Rules: a reader whose last frame is not out yet is skipped (its prices conflate); stuck for 10 s, it is closed with
4408. Its queue of account events is bounded; past the bound it gets `{"op": "resync", "reason": "slow_consumer"}` and
its account subscription ends. When Redis was lost, or account events have a gap, the reader gets `resync` with
`restart` or `gap` and must subscribe again. A heartbeat `{"op": "hb", "ts": …}` goes out every 5 s.
Valuations: `hub.accounts_watched()` names the accounts with readers here, `hub.value_account(account_id, body)` hands
them one conflated frame `{"type": "valuation", "ch": "account", …body}`.
"""

from __future__ import annotations

from marketdata.hub.board import frame_of
from marketdata.hub.client import HubClient
from marketdata.hub.frames import Frame, Line, line_of
from marketdata.hub.hub import Hub, TooManyConnections, get_hub

__all__ = ["Frame", "Hub", "HubClient", "Line", "TooManyConnections", "frame_of", "get_hub", "line_of"]
