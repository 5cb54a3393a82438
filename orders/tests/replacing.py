"""Ask a desk's orders to become others, and look at what they hold meanwhile."""

from decimal import Decimal

import msgspec

from orders import services
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.reports import ReportKind
from orders.domain.types import IntentKind
from orders.tests.desk import Desk, rows
from positions.tests.helpers import BY
from risk.tests.helpers import limit_row
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


def one_name_desk():
    """Return a desk whose account may put all it has into one name."""
    found = Desk(cash="10000")
    limit_row("concentration", "1", found.account)
    return found


def command(desk, order_id, account_id=None, **changes):
    amounts = ("quantity", "limit_price", "stop_price", "trail")
    given = {name: Decimal(value) if name in amounts else value for name, value in changes.items()}
    return ReplaceOrder(
        order_id=order_id,
        account_id=account_id or desk.account,
        fields=ReplaceFields(**given),
        by=BY,
        correlation_id=uuid7(),
        requested_at=clock.now(),
    )


def ask(desk, order_id, **changes):
    desk.show()
    return services.order_replace(command=command(desk, order_id, **changes), at=clock.now())


def asked(desk, order_id, **changes):
    """Ask for a replace, which must be taken, and have the venue told; return the id it will have."""
    outcome = ask(desk, order_id, **changes)
    assert outcome.status == "requested", outcome
    (message,) = desk.claim()
    assert (message.kind, message.order_id) == (IntentKind.REPLACE, outcome.order.id)
    assert message.terms.version_id == outcome.version.public_id
    return outcome.version.public_id


def replaced(desk, order_id, version_id, quantity, **facts):
    return desk.report(order_id, ReportKind.REPLACED, request_id=version_id, quantity=quantity, **facts)


def held(order_id):
    """Return what an order's reservation holds: units, the price of one, and the limit others would meet."""
    found = rows("SELECT quantity_left, price, limit_price FROM positions_reservation WHERE order_id = %s", order_id)
    return tuple(found[0]) if found else None


def facts_of(order_id, event_type):
    found = rows(
        "SELECT payload::text FROM audit_event WHERE stream = %s AND type = %s ORDER BY sequence",
        f"order:{order_id}",
        event_type,
    )
    return msgspec.json.decode(found[-1][0])


def codes(outcome):
    return [why.code for why in outcome.refusal]
