"""The npm package's browser build in a Chromium page of another origin."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.conformance.browser import Page, browsing, chromium
from tests.conformance.foreign import paper, settings_of
from tests.conformance.recording import Recording
from tests.conformance.test_node_client import CLOSE, EVENTS
from tests.conformance.transcript import check

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0


async def test_a_page_of_another_origin_trades_and_comes_back(tmp_path: Path) -> None:
    chromium()
    wire = tmp_path / "wire.jsonl"
    async with paper(wire) as gateway:
        page = Page(json.loads(settings_of(gateway)))
        async with page.served() as origin, browsing(origin, tmp_path / "profile"):
            async with asyncio.timeout(PATIENCE_S):
                await told(page, [("rest", "traded"), *((hub, "subscribed") for hub in EVENTS)])
                seen_before = len(page.told)
                gateway.venue.inject(CLOSE)
                back = [(hub, event) for hub in EVENTS for event in ("reconnected", "subscribed", "data")]
                await told(page, back, since=seen_before)
                page.go_on()
                seen = await page.end
    assert seen.pop("origin") == origin
    assert {hub: set(rows) for hub, rows in seen.items()} == EVENTS
    assert check(wire) == []
    crossed = Recording(wire)
    preflights = [call for call in crossed.calls if call.method == "OPTIONS"]
    asked = {call.path: call.request.header("access-control-request-headers") for call in preflights}
    for hub in EVENTS:
        assert asked[f"/hubs/{hub}/negotiate"] == "authorization,x-requested-with,x-signalr-user-agent"
        assert len(crossed.hub(hub)) == 2
        assert all(link.token_in == {"query"} and link.negotiated for link in crossed.hub(hub))
        assert all(link.call.request.header("origin") == origin for link in crossed.hub(hub))
    assert asked["/api/Order/place"] == "authorization,content-type"
    assert {call.request.header("origin") for call in crossed.calls} == {origin}


async def told(page: Page, wanted: list[tuple[str, str]], since: int = 0) -> None:
    """Wait until the page told all of these; an error of the page ends the wait."""
    while True:
        heard = [(line["hub"], line["event"]) for line in page.told[since:]]
        assert not [event for hub, event in heard if hub == "page"], heard
        if set(wanted) <= set(heard):
            return
        await asyncio.sleep(0.05)
