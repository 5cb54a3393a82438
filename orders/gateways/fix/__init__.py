"""Take orders from partners over FIX 4.4, and tell them what becomes of their orders.

QuickFIX holds each session's rules (numbers, resends, heartbeats, rejects) and never a socket or a file: asyncio
reads and writes, PostgreSQL keeps the numbers, what was sent and how far the event log was told, in one transaction.

    server      the listening socket, and the one session of each key
    logon       who a partner is
    connection  one connection: turns of reading, acting, telling, storing, writing
    line        its socket
    engine      QuickFIX
    acting      what a partner asks: `ordering` places, `asking` does everything else, `answering` has their words
    following   the event log of the account, page by page, for `telling` to say in FIX
    outlet      stored, then written
    reading     FIX fields -> the bodies that the one parser of orders reads
    wire        bytes <-> messages
"""
