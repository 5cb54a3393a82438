"""The event log as officers read it: looked up, never changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from audit.models import Cursor, Event, ParkedEvent


class ReadOnlyAdmin(admin.ModelAdmin):
    """Show rows that only the portal itself writes."""

    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 200

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let nobody add rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let nobody change rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let nobody delete."""
        return False


def identifier(text: str) -> UUID | None:
    """Return the id that a search term is, or None."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Find events by what set them off, by their stream or by their account."""

    list_display = ("recorded_at", "type", "stream", "sequence", "actor", "correlation_id")
    search_fields = ("correlation_id",)
    search_help_text = "A correlation id, an account's or an event's id, or a stream such as order:<id>."
    ordering = ("-xid", "-id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search for whole ids and streams only: the log is large."""
        term = search_term.strip()
        if not term:
            return queryset, False
        key = identifier(term)
        if key is None:
            return queryset.filter(stream=term), False
        return queryset.filter(Q(correlation_id=key) | Q(account_id=key) | Q(id=key) | Q(stream=f"order:{key}")), False


@admin.register(Cursor)
class CursorAdmin(ReadOnlyAdmin):
    """Show how far each consumer of the log has come."""

    list_display = ("consumer", "xid", "event_id", "moved_at")


@admin.register(ParkedEvent)
class ParkedEventAdmin(ReadOnlyAdmin):
    """Show events that a consumer could not handle."""

    list_display = ("parked_at", "consumer", "event", "error")
    ordering = ("-parked_at",)
