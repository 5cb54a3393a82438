"""Show instruments to the risk desk, and halt or resume trading in them."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from audit.domain.types import Actor
from marketdata.models import Instrument
from marketdata.services import instrument_switch
from trading_portal.kernel import clock

SWITCHES = ("is_tradable", "is_halted", "is_shortable", "is_easy_to_borrow", "is_fractionable")


class InstrumentForm(forms.ModelForm):
    """Ask for the switches and why."""

    reason = forms.CharField(max_length=200, help_text="Kept in the log beside your name.")

    class Meta:
        model = Instrument
        fields = SWITCHES


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin):
    """List instruments; what changes goes through the service, which tells the log."""

    form = InstrumentForm
    list_display = ("symbol", "name", "asset_class", "exchange", "currency", "is_tradable", "is_halted")
    list_filter = ("asset_class", "is_halted", "is_tradable")
    search_fields = ("symbol", "name")
    ordering = ("symbol",)
    readonly_fields = ("symbol", "name", "asset_class", "exchange", "currency", "tick_size", "lot_size", "calendar")
    fields = (*readonly_fields, *SWITCHES, "reason")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Leave adding to the services, which know the grids."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Instrument | None = None) -> bool:
        """Keep what orders and candles point at."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Instrument, form: forms.ModelForm[Instrument], change: bool
    ) -> None:
        """Switch trading, from the next order on."""
        instrument_switch(
            instrument_id=obj.id,
            is_halted=obj.is_halted,
            is_tradable=obj.is_tradable,
            is_shortable=obj.is_shortable,
            is_easy_to_borrow=obj.is_easy_to_borrow,
            is_fractionable=obj.is_fractionable,
            reason_given=form.cleaned_data["reason"],
            by=Actor.user(cast(UUID, request.user.pk)),
            at=clock.now(),
        )
