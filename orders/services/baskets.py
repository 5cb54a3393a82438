"""Take a basket whole or not at all: whatever refuses one of its orders refuses every one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from orders.domain.commands import PlaceOrder, command_hash
from orders.domain.facts import Placement
from orders.services.storing import NewOrder
from risk.domain.baskets import basket_reason, basket_refused
from risk.domain.types import Decision

Basket = range
"""Where in a batch the orders of one basket stand."""
Check = Callable[[Sequence[NewOrder]], Sequence[Decision]]


def baskets_among(requests: Iterable[tuple[int, bool]]) -> list[Basket]:
    """Return where baskets stand among the orders of requests, each given as how many and whether they are one."""
    found: list[Basket] = []
    start = 0
    for size, is_basket in requests:
        if is_basket:
            found.append(Basket(start, start + size))
        start += size
    return found


def baskets_sound(
    new: Sequence[NewOrder],
    baskets: Sequence[Basket],
    commands: Sequence[PlaceOrder],
    answers: dict[int, Placement],
    twins: dict[int, int],
) -> list[NewOrder]:
    """Return the orders that may be decided; answer the rest of a basket of which one cannot even be an order.

    Of such a basket nothing is stored. An order that was accepted before under the same id stands, and spoils nothing.
    """
    spoiled: set[int] = set()
    is_settled = not baskets
    while not is_settled:
        is_settled = True
        for basket in baskets:
            culprits = [index for index in basket if _is_unsound(index, commands, answers, twins)]
            left = [index for index in basket if index not in culprits and index not in answers]
            if culprits and left:
                is_settled = False
                why = basket_reason([commands[index].client_order_id for index in culprits])
                answers |= dict.fromkeys(left, Placement("invalid", None, (why,)))
                spoiled.update(left)
    for index in spoiled:
        twins.pop(index, None)
    return [each for each in new if each.index not in spoiled]


def _is_unsound(
    index: int, commands: Sequence[PlaceOrder], answers: Mapping[int, Placement], twins: Mapping[int, int]
) -> bool:
    leader = twins.get(index)
    if leader is not None and command_hash(commands[index]) != command_hash(commands[leader]):
        return True
    told = answers.get(index if leader is None else leader)
    return told is not None and told.status != "accepted"


def baskets_decided(
    new: Sequence[NewOrder], baskets: Sequence[Basket], twins: Mapping[int, int], check: Check
) -> list[Decision]:
    """Return a decision on each order, every basket approved whole or refused whole.

    A refused basket never was, for the orders after it: what is left is decided again without it.
    """
    if not baskets:
        return list(check(new))
    settled: dict[int, Decision] = {}
    todo = list(new)
    while todo:
        found = dict(zip((each.index for each in todo), check(todo), strict=True))
        refused = next((basket for basket in baskets if _culprits(basket, twins, found)), None)
        if refused is None:
            settled |= found
            break
        culprits = _culprits(refused, twins, found)
        names = [each.command.client_order_id for each in todo if each.index in culprits]
        gone = {index for index in refused if index in found}
        settled |= {index: basket_refused(found[index], names) for index in gone}
        todo = [each for each in todo if each.index not in gone]
    return [settled[each.index] for each in new]


def _culprits(basket: Basket, twins: Mapping[int, int], found: Mapping[int, Decision]) -> set[int]:
    """Return the refused orders of a basket that has any to decide; a twin stands for the order it repeats."""
    if not any(index in found for index in basket):
        return set()
    orders = {twins.get(index, index) for index in basket}
    return {index for index in orders if index in found and not found[index].approved}
