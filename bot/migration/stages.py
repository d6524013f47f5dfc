"""Components, effect classes, stages, and which combinations of a flag are legal (shadow.md, Stages)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from bot.model.errors import BotError

Stage = Literal["off", "replay", "shadow", "canary", "live", "complete"]
Effect = Literal["EXTERNAL_ONCE", "STATEFUL", "IDEMPOTENT_WRITE"]

STAGES: Final[tuple[Stage, ...]] = ("off", "replay", "shadow", "canary", "live", "complete")
EXECUTED: Final[tuple[Stage, ...]] = ("off", "replay", "shadow")
EFFECTS: Final[dict[str, Effect]] = {
    "order_execution": "EXTERNAL_ONCE",
    "websocket": "STATEFUL",
    "market_data": "STATEFUL",
    "strategy_engine": "STATEFUL",
    "database": "IDEMPOTENT_WRITE",
}
SLICES: Final[dict[str, tuple[str, ...]]] = {
    "order_execution": ("account", "intent"),
    "websocket": ("contract",),
    "market_data": ("contract",),
    "strategy_engine": ("account",),
    "database": ("table",),
}
CANDIDATES: Final[dict[str, tuple[str, ...]]] = {
    "order_execution": (),
    "websocket": (),
    "market_data": ("cython", "rust"),
    "strategy_engine": (),
    "database": (),
}
# Every flag name ever used, oldest first; a retired one stays in the list and is never given out again.
NAMES_EVER_USED: Final = ("order_execution", "websocket", "market_data", "strategy_engine", "database")
RETIRED: Final[frozenset[str]] = frozenset()


class FlagRefused(BotError):
    """A stage change that is not allowed; nothing was changed."""

    code = "FLAG_REFUSED"
    exit_code = 7


class BadFlag(BotError):
    """A flag that names something unknown or an impossible combination."""

    code = "BAD_FLAG"
    exit_code = 2


class Flag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{stage, candidates, slice}` of one component; `slice` is `kind:value`, e.g. `contract:CON.F.US.MNQ.Z25`."""

    stage: Stage = "off"
    candidates: tuple[str, ...] = ()
    slice: str | None = None

    @property
    def effective(self) -> Stage:
        """The stage that is executed: canary and beyond run as shadow, the candidate decides nothing."""
        return self.stage if self.stage in EXECUTED else "shadow"


OFF: Final = Flag()


def rank(stage: Stage) -> int:
    """Position in the order off, replay, shadow, canary, live, complete."""
    return STAGES.index(stage)


def known_component(name: str) -> str:
    """The name itself. Raises BadFlag for a retired or unknown one."""
    if name in RETIRED or name not in EFFECTS:
        seen = f"{name} (retired)" if name in RETIRED else name
        raise BadFlag("component", expected=f"one of {', '.join(EFFECTS)}", seen=seen)
    return name


def check(component: str, flag: Flag) -> Flag:
    """The flag itself if the combination is legal for the component. Raises BadFlag, naming what is."""
    known_component(component)
    built = CANDIDATES[component]
    _check_candidates(component, flag, built)
    if flag.stage == "canary":
        _check_slice(component, flag.slice)
    elif flag.slice is not None:
        raise BadFlag(f"{component}: slice", expected=f"none at stage {flag.stage}", seen=flag.slice)
    return flag


def _check_candidates(component: str, flag: Flag, built: Sequence[str]) -> None:
    count = len(flag.candidates)
    if len(set(flag.candidates)) != count:
        raise BadFlag(f"{component}: candidates", expected="each once", seen=",".join(flag.candidates))
    if flag.stage == "off":
        if count:
            raise BadFlag(
                f"{component}: candidates", expected="none at stage off", seen=",".join(flag.candidates)
            )
        return
    if not built:
        raise BadFlag(
            f"{component}: stage",
            expected="off, because no candidate is built for it",
            seen=flag.stage,
            do="leave it at off",
        )
    unknown = [name for name in flag.candidates if name not in built]
    if unknown or not count:
        raise BadFlag(
            f"{component}: candidates", expected=f"one or more of {', '.join(built)}", seen=unknown or "none"
        )
    if rank(flag.stage) >= rank("canary") and count != 1:
        raise BadFlag(
            f"{component}: candidates",
            expected=f"exactly one from canary on ({EFFECTS[component]})",
            seen=",".join(flag.candidates),
            do="name the one that earned it",
        )


def _check_slice(component: str, text: str | None) -> None:
    kinds = SLICES[component]
    kind, _, value = (text or "").partition(":")
    if kind not in kinds or not value:
        raise BadFlag(
            f"{component}: slice",
            expected=" or ".join(f"{k}:<value>" for k in kinds) + " at stage canary",
            seen=text,
        )
