"""What an account is set up to do, as Alpaca shows it; of all that, shorting can be turned off."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.errors import Problem, ProblemError, error_of
from accounts.api.openapi import Document, problems
from accounts.api.views import ApiView
from accounts.domain.types import AccountFacts
from accounts.selectors import account_by_id
from accounts.services import account_configure
from trading_portal.kernel import clock
from trading_portal.kernel.errors import reason

# Nothing is lent and nobody is written to: what Alpaca lets people choose of it has one answer here.
FIXED: dict[str, object] = {
    "dtbp_check": None,
    "fractional_trading": True,
    "max_margin_multiplier": "1",
    "pdt_check": None,
    "ptp_no_exception_entry": False,
    "suspend_trade": False,
    "trade_confirm_email": "none",
    "max_options_trading_level": None,
}


class ConfigurationsDocument(Document):
    """What the account is set up to do; all but no_shorting is the same for every account."""

    no_shorting = serializers.BooleanField(
        help_text="The account only sells what it has. It can be set, and lifted only by those who manage accounts."
    )
    dtbp_check = serializers.CharField(allow_null=True)
    fractional_trading = serializers.BooleanField()
    max_margin_multiplier = serializers.CharField()
    pdt_check = serializers.CharField(allow_null=True)
    ptp_no_exception_entry = serializers.BooleanField()
    suspend_trade = serializers.BooleanField()
    trade_confirm_email = serializers.ChoiceField(choices=["none"])
    max_options_trading_level = serializers.IntegerField(allow_null=True)


class ConfigurationsRequestDocument(Document):
    """What is to be changed; fields named with the value they have change nothing."""

    no_shorting = serializers.BooleanField(required=False)


class Configurations(ApiView):
    """What the account is set up to do."""

    @extend_schema(operation_id="configurations_read", responses={200: ConfigurationsDocument, **problems()})
    def get(self, request: Request) -> Response:
        """Return the account's configurations."""
        return Response(configurations_json(self._account()))

    @extend_schema(
        operation_id="configurations_change",
        request=ConfigurationsRequestDocument,
        responses={200: ConfigurationsDocument, **problems(422)},
    )
    def patch(self, request: Request) -> Response:
        """Set what may be set: shorting can be turned off at once, and not on again."""
        account = self._account()
        no_shorting = _no_shorting(request.data, account)
        if account.may_short and no_shorting:
            account_configure(account_id=account.id, may_short=False, by=self.actor, at=clock.now())
        return Response(configurations_json(self._account()))

    def _account(self) -> AccountFacts:
        account = account_by_id(self.grant.account_id)
        assert account is not None
        return account


def configurations_json(account: AccountFacts) -> dict[str, object]:
    """Return an account's configurations."""
    return {"no_shorting": not account.may_short, **FIXED}


def _no_shorting(given: Any, account: AccountFacts) -> bool:
    """Return what is asked of shorting; refuse what is not there to be asked for."""
    if not isinstance(given, dict):
        raise _refused("BODY_NOT_AN_OBJECT", "The request must be a JSON object.")
    standing = configurations_json(account)
    for name, value in given.items():
        if name not in standing:
            raise _refused("FIELD_UNKNOWN", f"There is no field {name[:40]}.", field=name[:40])
        if name != "no_shorting" and value not in (None, standing[name]):
            raise _refused("FIELD_FIXED", f"{name} cannot be changed here.", field=name)
    asked = given.get("no_shorting", standing["no_shorting"])
    if not isinstance(asked, bool):
        raise _refused("FIELD_NOT_BOOLEAN", "no_shorting must be true or false.", field="no_shorting")
    if standing["no_shorting"] and not asked:
        sentence = "Only those who manage accounts can allow one to sell short."
        raise ProblemError(Problem(403, sentence, errors=[error_of(reason("SHORTING_NOT_GRANTED"), sentence)]))
    return asked


def _refused(code: str, sentence: str, **facts: str) -> ProblemError:
    return ProblemError(Problem(422, sentence, errors=[error_of(reason(code, **facts), sentence)]))
