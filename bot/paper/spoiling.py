"""What faults make of good answers and of records: statuses, pages, silence, missing zones."""

from __future__ import annotations

import re

import msgspec

from bot.paper.answers import Answer, refused
from bot.paper.endpoints import PENDING_CODES
from bot.paper.faults import Fault
from bot.paper.reply import JSON, Reply

PAGE = b"<html><body>Bad gateway</body></html>"
_ZONE = re.compile(rb'("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)(?:Z|\+00:00)"')


class _Whose(msgspec.Struct, rename="camel"):
    account_id: int | None = None
    contract_id: str | None = None
    filter: _Whose | None = None


_decoder = msgspec.json.Decoder(_Whose)


def whose(body: bytes) -> tuple[int | None, str | None]:
    """The account and the contract that a request names, for faults that strike these alone."""
    try:
        found = _decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None, None
    inner = found.filter or found
    return inner.account_id, inner.contract_id


def unexecuted(fault: Fault) -> Reply:
    """The answer of `http`."""
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    body = (fault.text or "").encode()
    if body:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    return Reply(status=fault.status or 500, headers=headers, body=body, after=fault.after)


def spoiled(fault: Fault, good: Reply) -> Reply:
    """What `accept_then`, `drop` and `delay` make of the answer to a request that was carried out."""
    if fault.fault == "drop":
        return Reply(status=good.status, body=good.body, mode="hang")
    if fault.fault == "delay":
        good.after = fault.after or fault.wait
        return good
    if fault.how == "reset":
        return Reply(status=good.status, mode="reset", after=fault.after)
    if fault.how == "empty":
        return Reply(headers=JSON, after=fault.after)
    if fault.how == "html":
        return Reply(headers={"Content-Type": "text/html"}, body=PAGE, after=fault.after)
    assert isinstance(fault.how, int)
    return Reply(status=fault.how, after=fault.after)


def unsettled(fault: Fault, endpoint: str, good: Answer) -> Answer:
    """What `pending` makes of a mutation's good answer."""
    told = {}
    if "orderId" in good.payload:
        told["orderId"] = good.payload["orderId"] if fault.with_id else None
    answer = refused(fault.code or PENDING_CODES[endpoint], None, **told)
    answer.order = good.order
    return answer


def zoneless(record: bytes) -> bytes:
    """The same JSON with timestamps that tell no zone."""
    return _ZONE.sub(rb'\1"', record)
