"""Take orders from partners over FIX 4.4, and tell them what becomes of their orders.

QuickFIX holds each session's rules (numbers, resends, heartbeats, rejects) and never a socket or a file: asyncio
reads and writes, PostgreSQL keeps the numbers, what was sent and how far the event log was told, in one transaction.

    server      the listening socket, and the one session of each key
    connection  one connection: log on, then take turns of reading, acting, telling, storing, writing
    engine      QuickFIX
    acting      what a partner asks: place, cancel, replace, status
    telling     what the event log says, as execution reports
    reading     FIX fields -> the bodies that the one parser of orders reads
    wire        bytes <-> messages
"""
