"""Scrape a portal's metrics, as Prometheus does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

REQUESTS = "portal_http_request_duration_seconds_count"


@dataclass(frozen=True)
class Scrape:
    """What one scrape told: each sample by its name and labels."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        """Return a sample's value; 0 where there is none yet."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def requests(self, view: str, method: str, status: str) -> float:
        return self.value(REQUESTS, view=view, method=method, status=status)

    def total(self, name: str) -> float:
        """Return the sum over all labels."""
        return sum(value for (found, _), value in self.samples.items() if found == name)

    def labels(self, name: str, label: str) -> set[str]:
        """Return every value that a label has in a metric."""
        return {dict(labels)[label] for found, labels in self.samples if found == name}


def asked(address: str, token: str, **more: Any) -> httpx.Response:
    return httpx.get(f"http://{address}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=30, **more)


def scraped(address: str, token: str) -> Scrape:
    answer = asked(address, token)
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return Scrape(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
    )
