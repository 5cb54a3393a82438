"""Sign people in and out, and keep how they want the pages to look."""

from __future__ import annotations

import json
from typing import Any, cast

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.forms import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_POST

from accounts.api.authentication import address_of
from accounts.api.errors import Problem, problem_of, problem_response
from accounts.services import person_preferences_change, sign_in_succeeded, sign_in_try
from trading_portal.kernel.errors import InvalidInput, PortalError, reason

SIGNED_OUT = Problem(401, "Sign in to go on.")


class SignInForm(AuthenticationForm):
    """Ask for name and password; every wrong pair gets the same words."""

    error_messages = {
        "invalid_login": "This user name and password do not belong together.",
        "inactive": "This user name and password do not belong together.",
    }

    def clean(self) -> dict[str, Any]:
        """Count the try before the password is looked at."""
        username = str(self.cleaned_data.get("username", ""))
        address = address_of(cast(HttpRequest, self.request))
        try:
            wait = sign_in_try(username=username, address=address)
            if wait:
                minutes = -(-wait // 60)
                raise ValidationError(f"Too many tries. Try again in {minutes} minutes.", code="locked")
            cleaned: dict[str, Any] = super().clean()
            sign_in_succeeded(username=username, address=address)
        except PortalError as error:
            raise ValidationError("Signing in is not possible right now. Try again shortly.", "unavailable") from error
        return cleaned


class SignIn(LoginView):
    """Show the form and sign in; answer JSON to a page that signs its person in again in place."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let a signed-in person sign in again when a page asks for it."""
        self.redirect_authenticated_user = not _wants_json(request)
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Sign in."""
        response = super().form_valid(form)
        return JsonResponse({"username": form.get_user().get_username()}) if _wants_json(self.request) else response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Say why not: 429 when locked out, 503 when nobody can tell, else 422."""
        codes = {error.code for error in form.non_field_errors().as_data()}
        status = 429 if "locked" in codes else 503 if "unavailable" in codes else 422
        if _wants_json(self.request):
            message = " ".join(str(text) for texts in form.errors.values() for text in texts)
            return problem_response(Problem(status, message), self.request)
        return self.render_to_response(self.get_context_data(form=form), status=status)


class SignOut(LogoutView):
    """Sign out; by POST only."""

    http_method_names = ["post", "options"]


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Keep theme, direction colours or density."""
    if not request.user.is_authenticated:
        return problem_response(SIGNED_OUT, request)
    try:
        person_preferences_change(user_id=request.user.pk, chosen=_object(request.body))
    except PortalError as error:
        return problem_response(problem_of(error), request)
    return HttpResponse(status=204)


def _object(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(reason("BODY_NOT_AN_OBJECT"), "The request must be a JSON object.")
    return found


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")
