"""Orders, what venues did with them, and what is still to be sent."""

from orders.models.copies import VenueOrderName, VenueReportCopy
from orders.models.fix import FixMessage, FixRequest, FixSession
from orders.models.fix_venue import FixLink, FixSent
from orders.models.order import Execution, Order, OrderVersion
from orders.models.paper import PaperOrder, PaperReport, PaperSession
from orders.models.smart import SmartChild, SmartDecision, SmartOrder
from orders.models.venue import Breaker, ParkedReport, RecordedReport, VenueAlert, VenueIntent, VenueLease, VenueRoute

__all__ = [
    "Breaker",
    "Execution",
    "FixLink",
    "FixMessage",
    "FixRequest",
    "FixSent",
    "FixSession",
    "Order",
    "OrderVersion",
    "PaperOrder",
    "PaperReport",
    "PaperSession",
    "ParkedReport",
    "RecordedReport",
    "SmartChild",
    "SmartDecision",
    "SmartOrder",
    "VenueAlert",
    "VenueIntent",
    "VenueLease",
    "VenueOrderName",
    "VenueReportCopy",
    "VenueRoute",
]
