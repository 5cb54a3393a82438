"""The risk desk: Django's admin as this site serves it."""

from __future__ import annotations

from django.contrib.admin import AdminSite


class RiskDeskSite(AdminSite):
    """Serve the admin to risk officers."""

    site_header = "Risk desk"
    site_title = "Risk desk"
    index_title = "Overview"
