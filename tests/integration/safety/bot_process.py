"""The bot's trading side as a process of its own, on real sockets and a real disk; commands come by stdin.

`enter KEY KIND SIDE` places a bracketed entry, `report` prints the desk's picture as one JSON line, `quit`
ends cleanly. Arguments: gateway url, state folder, lock folder, bracket mode.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from bot.calendar.sessions import SessionCalendar
from bot.clock import PaperClock
from bot.gateway.budget import RateBudget
from bot.gateway.contracts import ContractRegistry
from bot.gateway.credentials import Credentials
from bot.gateway.hubs import HubConnection
from bot.gateway.rest import RestClient
from bot.gateway.session import VenueSession
from bot.gateway.transport import AiohttpTransport
from bot.legacy.order_execution import PythonOrderExecution
from bot.legacy.websocket import PythonStreamProcessor
from bot.model.actions import Enter, Instance
from bot.model.orders import OrderType
from bot.model.quantities import Money, Ticks
from bot.model.risk import RuleFigures, StrategyPolicy
from bot.model.secret import Secret
from bot.risk.gate import Gate
from bot.risk.subject import GateLimits
from bot.trading.desk import Desk
from bot.trading.intent_log import IntentLog
from bot.trading.lease import AccountLock
from bot.trading.settings import TradingSettings

ACCOUNT = 1001
STRATEGY = "mean_reversion"
RULES = RuleFigures(
    status="OK", program="practice", size="150K", balance=Money(150_000_000_000),
    equity=Money(150_000_000_000), day_pnl=Money(0), floor=Money(145_500_000_000), dll=None,
    mll=Money(4_500_000_000), max_minis_tenths=150,
)  # fmt: skip


async def venue_clock(url: str) -> PaperClock:
    """Venue time as the gateway publishes it."""
    async with aiohttp.ClientSession() as client, client.get(f"{url}/paper/clock") as reply:
        told = await reply.json()
    return PaperClock(int(told["now_ns"]), float(told["rate"]))


async def main(url: str, state: Path, locks: Path, legs: Any) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    clock = await venue_clock(url)
    transport = AiohttpTransport(url)
    budget = RateBudget(clock)
    session = VenueSession(transport, Credentials("paper", Secret("paper-key")), clock, budget)
    registry = ContractRegistry(clock)
    rest = RestClient(transport, session, budget, clock, registry)
    log, _ = IntentLog.on_disk(state, clock)
    lock = AccountLock.acquire("paper", ACCOUNT, locks, log.epochs.get(ACCOUNT, 0))
    await session.login()
    contract = next(one for one in await rest.contracts() if one.root == "MNQ")
    contracts = {contract.id: contract}
    stream = PythonStreamProcessor()
    stream.set_contracts(contracts)
    calendar = SessionCalendar.shipped()
    gate = Gate(
        calendar, {STRATEGY: StrategyPolicy(position_size=2)}, GateLimits(allow_resting_client_brackets=True)
    )
    desk = Desk(
        rest=rest, gate=gate, execution=PythonOrderExecution(), log=log, clock=clock, contracts=contracts,
        risk_day=calendar.risk_day, settings=TradingSettings(bracket_mode=legs), halt_file=state / "HALT",
    )  # fmt: skip

    def on_records(hub: Any, _generation: int, records: list[tuple[bytes, Any, int]]) -> None:
        for record, received, _ in records:
            for event in stream.feed(hub, record, received):
                desk.on_event(event)

    hubs = [
        HubConnection(
            name, f"{url}/hubs/{name}", session, clock, on_records, desk.hub_state, first_delay_s=0.05
        )  # type: ignore[arg-type]
        for name in ("user", "market")
    ]
    hubs[0].set_topics(
        [
            ("SubscribeAccounts", []),
            *((f"Subscribe{what}", [ACCOUNT]) for what in ("Orders", "Positions", "Trades")),
        ]
    )
    hubs[1].set_topics([("SubscribeContractQuotes", [contract.id])])
    for hub in hubs:
        await hub.start()
    accounts = [account for account in await rest.accounts() if account.id == ACCOUNT]
    await desk.start(accounts, [lock.mint()])
    desk.set_rules(ACCOUNT, RULES)
    desk.set_active(Instance(ACCOUNT, STRATEGY), True)
    for _ in range(1000):
        ready = stream.quote(contract.id) is not None and all(hub.state == "up" for hub in hubs)
        if ready and desk.view().accounts[ACCOUNT].colour == "green":
            break
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await obey(desk, contract.id, stream)
    await desk.stop()
    for hub in hubs:
        await hub.stop()
    await session.close()
    await transport.close()
    lock.release()


async def obey(desk: Desk, contract_id: str, stream: PythonStreamProcessor) -> None:
    """Commands until `quit` or the end of stdin."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := (await reader.readline()).decode().split():
        if line[0] == "quit":
            return
        if line[0] == "enter":
            _, key, kind, side_text = line
            side = int(side_text)
            quote = stream.quote(contract_id)
            assert quote is not None
            assert quote.last is not None
            away = {
                "market": None,
                "limit": Ticks(quote.last - 30 * side),
                "stop": Ticks(quote.last + 30 * side),
            }
            types = {"market": OrderType.MARKET, "limit": OrderType.LIMIT, "stop": OrderType.STOP}
            desk.act(
                Enter(
                    instance=Instance(ACCOUNT, STRATEGY), contract_id=contract_id, key=key, leg="entry",
                    side=side, type=types[kind], entry=away[kind], stop_ticks=40, target_ticks=80,
                    reference=quote.last,
                )
            )  # fmt: skip
        print(json.dumps(report(desk, contract_id)), flush=True)


def report(desk: Desk, contract_id: str) -> dict[str, Any]:
    return {
        "net": desk.picture.positions.net(ACCOUNT, contract_id),
        "owner": desk.picture.owner((ACCOUNT, contract_id)),
        "shield": desk.shield(ACCOUNT, contract_id),
        "colour": desk.view().accounts[ACCOUNT].colour,
        "unsettled": [entry.id for entry in desk.log.unsettled()],
        "working": [order.id for order in desk.picture.orders.working(ACCOUNT)],
        "notices": [[notice.code, notice.detail] for notice in desk.notices],
    }


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]))
