"""Read limits, decisions and what is stopped."""

from risk.selectors.dashboard import Dashboard, FeedHealth, dashboard, feed_health
from risk.selectors.decisions import DecisionShown, decision_of, decision_shown, decisions_of
from risk.selectors.switches import SwitchFacts, kill_switch_by_id, kill_switches_latched, send_allowed, sends_refused
from risk.selectors.utilisation import Use, utilisation, utilisation_top

__all__ = [
    "Dashboard",
    "DecisionShown",
    "FeedHealth",
    "SwitchFacts",
    "Use",
    "dashboard",
    "decision_of",
    "decision_shown",
    "decisions_of",
    "feed_health",
    "kill_switch_by_id",
    "kill_switches_latched",
    "send_allowed",
    "sends_refused",
    "utilisation",
    "utilisation_top",
]
