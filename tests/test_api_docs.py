"""The API's own page works under the strict Content-Security-Policy, and its document is the committed one."""

import httpx
import pytest
import yaml
from django.conf import settings
from playwright.sync_api import Browser, expect

DOCUMENT = settings.BASE_DIR / "docs" / "openapi.yaml"


@pytest.mark.browser
def test_the_page_shows_every_operation_and_breaks_no_policy(live, browser: Browser):
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if _is_ours(request.url, live) else complaints.append(request.url))
    answer = page.goto(f"http://{live}/api/docs")
    assert answer is not None
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    expect(page.locator(".opblock")).to_have_count(_operations(), timeout=30_000)
    page.locator("#operations-v2-order_place").click()
    expect(page.get_by_text("Idempotency-Key").first).to_be_visible()
    page.close()
    assert complaints == []


def test_the_document_that_is_served_is_the_committed_one(live):
    served = httpx.get(f"http://{live}/api/schema")
    assert served.status_code == 200
    assert yaml.safe_load(served.text) == yaml.safe_load(DOCUMENT.read_text())


def _operations() -> int:
    paths = yaml.safe_load(DOCUMENT.read_text())["paths"]
    return sum(len([method for method in methods if method != "parameters"]) for methods in paths.values())


def _is_ours(url: str, live: str) -> bool:
    return live in url or url.startswith("data:")
