"""Sign in as a browser does."""

from __future__ import annotations

import httpx


def sign_in(url: str, user: dict[str, str]) -> str:
    """Return the cookie header of a signed-in browser."""
    with httpx.Client(base_url=url, headers={"Referer": url}) as client:
        client.get("/sign-in")
        answer = client.post(
            "/sign-in",
            data={
                "username": user["username"],
                "password": user["password"],
                "csrfmiddlewaretoken": client.cookies["csrftoken"],
            },
        )
        assert answer.status_code == 302, f"sign-in answered {answer.status_code}"
        return f"sessionid={client.cookies['sessionid']}"
