"""Which instances are hosted, in which state, and who listens to which contract."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.calendar.sessions import SessionCalendar
from bot.legacy.strategy_engine.condition import ConditionParameters
from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.market import MarketMemory
from bot.legacy.strategy_engine.post import STATES, Hosted, Post, read_contract, write_contract
from bot.legacy.strategy_engine.strategy import Seat, StrategyFactory
from bot.model.actions import Instance
from bot.model.contract import Contract
from bot.model.errors import StoreCorrupt
from bot.model.quantities import TsNs

RUNNING = ("STARTING", "ACTIVE", "STOPPING")


class Roster:
    """Instances in byte order of (account, strategy), so that nothing depends on who started first."""

    def __init__(
        self,
        calendar: SessionCalendar,
        strategies: Mapping[str, StrategyFactory],
        condition: ConditionParameters,
        max_concurrent: int,
    ) -> None:
        self._calendar, self._strategies = calendar, strategies
        self._condition, self._max_concurrent = condition, max_concurrent
        self._hosted: dict[Instance, Hosted] = {}
        self._at: dict[str, list[tuple[Hosted, Post]]] = {}

    def all(self) -> Iterator[Hosted]:
        """Every instance that was ever started."""
        return iter(list(self._hosted.values()))

    def of_account(self, account_id: int) -> Iterator[Hosted]:
        """The instances of one account."""
        return (hosted for hosted in self.all() if hosted.instance.account_id == account_id)

    def find(self, instance: Instance) -> Hosted | None:
        """One instance, None when it was never started."""
        return self._hosted.get(instance)

    def at(self, contract_id: str) -> Sequence[tuple[Hosted, Post]]:
        """Who trades a contract."""
        return self._at.get(contract_id, ())

    def refusal(self, instance: Instance) -> tuple[str, str] | None:
        """Why an instance cannot start: code and detail."""
        if instance.strategy not in self._strategies:
            return "UNKNOWN_STRATEGY", f"known are {', '.join(sorted(self._strategies))}"
        hosted = self._hosted.get(instance)
        if hosted is not None and hosted.state in RUNNING:
            return "ALREADY_ACTIVE", f"the instance is {hosted.state}"
        active = sum(each.state in RUNNING for each in self._hosted.values())
        if active >= self._max_concurrent:
            return "LIMIT_REACHED", f"{active} instances run, at most {self._max_concurrent}"
        return None

    def posts(
        self,
        instance: Instance,
        contracts: Sequence[Contract],
        parameters: Mapping[str, object],
        market: MarketMemory,
        now: TsNs,
    ) -> dict[str, Post]:
        """New strategy objects in byte order of their contracts. Raises ConfigError."""
        factory = self._strategies[instance.strategy]
        return {
            contract.id: Post(
                contract, factory(Seat(instance, contract, self._calendar, market), parameters, now)
            )
            for contract in sorted(contracts, key=lambda each: each.id.encode())
        }

    def host(self, hosted: Hosted, market: MarketMemory) -> None:
        """Take an instance in, with the windows it needs."""
        for contract_id, post in hosted.posts.items():
            market.need(contract_id, self._condition.timeframe, self._condition.window)
            for timeframe, depth in post.strategy.depths.items():
                market.need(contract_id, timeframe, depth)
        self._admit(hosted)

    def quiet(self) -> bool:
        """True when no strategy waits for a cancel or a stop move."""
        return all(post.strategy.quiet() for hosted in self.all() for post in hosted.posts.values())

    def status(self, market: MarketMemory, now: TsNs) -> list[dict[str, Any]]:
        """One row per instance and contract."""
        rows = []
        for hosted in self.all():
            for contract_id, post in hosted.posts.items():
                note = post.last_note
                rows.append(
                    {
                        "account_id": hosted.instance.account_id,
                        "strategy": hosted.instance.strategy,
                        "contract_id": contract_id,
                        "symbol": post.contract.root,
                        "status": hosted.state,
                        "started": hosted.started,
                        "stopped": hosted.stopped or None,
                        "errors_in_row": max(post.errors.values(), default=0),
                        "last_error": post.last_error,
                        "last_note": None if note is None else {"code": note.code, "detail": note.detail},
                        "condition": list(market.labels(contract_id)),
                        **post.strategy.status(now),
                    }
                )
        return rows

    def write(self, writer: Writer) -> None:
        writer.count(len(self._hosted))
        for hosted in self.all():
            writer.i64(hosted.instance.account_id)
            writer.text(hosted.instance.strategy)
            writer.i64s(STATES.index(hosted.state), hosted.started, hosted.stopped)
            writer.text(json.dumps(hosted.parameters, sort_keys=True, default=str))
            writer.count(len(hosted.missing))
            for contract_id, timeframe in sorted(hosted.missing):
                writer.text(contract_id)
                writer.text(timeframe)
            writer.count(len(hosted.posts))
            for post in hosted.posts.values():
                write_contract(writer, post.contract)
                post.write(writer)

    def read(self, reader: Reader, market: MarketMemory) -> None:
        for _ in range(reader.count()):
            instance = Instance(reader.i64(), reader.text())
            state, started, stopped = reader.i64s(3)
            parameters = json.loads(reader.text())
            if instance.strategy not in self._strategies or not 0 <= state < len(STATES):
                raise StoreCorrupt("snapshot", expected="a known strategy and state", seen=str(instance))
            missing = {(reader.text(), reader.text()) for _ in range(reader.count())}
            hosted = Hosted(instance, STATES[state], started, stopped, parameters, {}, missing)
            for _ in range(reader.count()):
                contract = read_contract(reader)
                made = self.posts(instance, [contract], parameters, market, TsNs(started))
                made[contract.id].read(reader, instance)
                hosted.posts |= made
            self._admit(hosted)

    def _admit(self, hosted: Hosted) -> None:
        self._hosted[hosted.instance] = hosted
        self._hosted = {each: self._hosted[each] for each in sorted(self._hosted, key=_instance_bytes)}
        self._at = {}
        for each in self._hosted.values():
            for contract_id, post in each.posts.items():
                self._at.setdefault(contract_id, []).append((each, post))


def _instance_bytes(instance: Instance) -> tuple[int, bytes]:
    return instance.account_id, instance.strategy.encode()
