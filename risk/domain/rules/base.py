"""What a rule is: a small class with a name, which judges one case."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from risk.domain.case import Case, breached, breached_by
from risk.domain.types import Check, LimitFacts, Verdict
from trading_portal.kernel.errors import Fact, Reason
from trading_portal.kernel.money import ZERO

WARNS_FROM = Decimal("0.8")


class Rule(ABC):
    """Judge one case; return None where there is nothing to judge."""

    name: ClassVar[str]
    label: ClassVar[str]

    @abstractmethod
    def check(self, case: Case) -> Check | None:
        """Return how the rule judges; never raise for what an order says."""


class LimitRule(Rule):
    """Judge against a limit that an officer sets; no limit is no permission."""

    skips_exits: ClassVar[bool] = False

    def check(self, case: Case) -> Check | None:
        """Let exits by where they are let by; refuse without a limit; pass where the rule is switched off."""
        if self.skips_exits and case.is_reducing:
            return Check(self.name, Verdict.EXEMPT)
        limit = case.limits.get(self.name)
        if limit is None:
            return breached(self.name, "LIMIT_MISSING", rule=self.name)
        if not limit.is_enforced:
            return Check(self.name, Verdict.OFF, None, limit.value, limit.version, limit.scope)
        return self.judge(case, limit)

    @abstractmethod
    def judge(self, case: Case, limit: LimitFacts) -> Check | None:
        """Return how the rule judges under a limit in force."""


class ExposureRule(LimitRule):
    """Judge an exposure: equal to the limit passes, above breaches, from 80% warns."""

    code: ClassVar[str]

    @abstractmethod
    def exposure(self, case: Case, limit: LimitFacts) -> Decimal | Reason:
        """Return the exposure with this order, or why it is not known."""

    @abstractmethod
    def facts(self, case: Case, value: Decimal, limit: LimitFacts) -> Mapping[str, Fact]:
        """Return what a refusal tells."""

    def before(self, case: Case, limit: LimitFacts) -> Decimal:
        """Return the exposure without this order; nothing where every order stands for itself."""
        return ZERO

    def judge(self, case: Case, limit: LimitFacts) -> Check:
        """Compare."""
        value = self.exposure(case, limit)
        if isinstance(value, Reason):
            return breached_by(self.name, value)
        if value > limit.value:
            facts = self.facts(case, value, limit)
            return Check(
                self.name, Verdict.BREACHED, value, limit.value, limit.version, limit.scope, ZERO, self.code, facts
            )
        if value > 0 and value >= limit.value * WARNS_FROM:
            before = self.before(case, limit)
            return Check(self.name, Verdict.WARNED, value, limit.value, limit.version, limit.scope, before)
        return Check(self.name, Verdict.PASSED, value, limit.value, limit.version, limit.scope)
