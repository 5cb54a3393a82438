"""Orders, what venues did with them, and what is still to be sent."""

from orders.models.order import Execution, Order, OrderVersion
from orders.models.paper import PaperOrder, PaperReport, PaperSession
from orders.models.venue import ParkedReport, RecordedReport, VenueIntent, VenueLease

__all__ = [
    "Execution",
    "Order",
    "OrderVersion",
    "PaperOrder",
    "PaperReport",
    "PaperSession",
    "ParkedReport",
    "RecordedReport",
    "VenueIntent",
    "VenueLease",
]
