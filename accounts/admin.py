"""People, for those who may manage them."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from accounts.models import User


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Make people, set their groups and passwords."""

    show_full_result_count = False
