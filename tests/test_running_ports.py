"""Ports are taken and given back on the loopback interface."""

from __future__ import annotations

import socket

from django.db import connection

from trading_portal.running import ports, processes


def test_a_port_in_use_is_not_free_and_its_listener_is_named() -> None:
    with socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert not ports.is_free(number)
        assert ports.free_port(number) != number
        assert "pid" in processes.listener_of(number)
    assert ports.is_free(number)


def test_tests_work_as_the_role_that_owns_nothing() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, session_user")
        assert cursor.fetchone() == ("portal_app", "portal")
