"""The `OrderExecution` component: requests out, answers and events in."""

from __future__ import annotations

import hashlib

from bot.legacy.order_execution import answers, requests
from bot.legacy.order_execution.states import OrderStates
from bot.model.contract import Contract
from bot.model.intents import ApprovedIntent, Outcome, PlannedRequest, WireResponse
from bot.model.orders import Order


class PythonOrderExecution:
    """`plan` and `interpret` are pure; the state is the newest known form of at most 10,000 orders."""

    def __init__(self) -> None:
        self._states = OrderStates()

    def plan(self, approved: ApprovedIntent, contract: Contract) -> PlannedRequest:
        """The exact request (see `requests`). Raises BadField for an intent that has no wire form."""
        return requests.plan(approved, contract)

    def interpret(self, request: PlannedRequest, response: WireResponse) -> Outcome:
        """What the answer means (see `answers`)."""
        return answers.interpret(request, response)

    def on_order(self, order: Order) -> Order | None:
        """The order's state if this news moved it, None when it is old news (see `states`)."""
        return self._states.take(order)

    def order(self, order_id: int) -> Order | None:
        """The newest known state of one order."""
        return self._states.get(order_id)

    def snapshot(self) -> bytes:
        """The state in the layout of `states`."""
        return self._states.pack()

    def restore(self, state: bytes) -> None:
        """Become the state of `snapshot`. Raises StoreCorrupt."""
        self._states = OrderStates.unpack(state)

    def digest(self) -> int:
        """BLAKE2b-64 of the snapshot, little-endian."""
        return int.from_bytes(hashlib.blake2b(self.snapshot(), digest_size=8).digest(), "little")

    def quiet(self) -> bool:
        """Always true: no call leaves anything half done."""
        return True
