"""Every fault and move that the venue knows: its name, its members, what it does.

The control side, scripts and docs/faults.md read this one table. Verbs of group `machine` are not the
venue's: a script carries them for the harness that runs it.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from bot.calendar.sessions import GROUPS
from bot.paper.endpoints import LAGGING, LISTS, PENDING_CODES
from bot.paper.members import (
    ACCOUNT,
    CONTRACT,
    ENDPOINT,
    EVENT,
    HUB,
    Choice,
    Flag,
    Kind,
    Member,
    Price,
    Seconds,
    Settings,
    Signed,
    Text,
    Whole,
)  # fmt: skip

Group = Literal["rest", "hub", "orders", "market", "account", "session", "machine"]


class Verb(NamedTuple):
    """`arms`: it waits for something to strike, else it acts at once. `lasting`: `seconds` is how long it
    stays armed rather than a delay. `once`: without `count` and `for` it strikes once, else until removed.
    """

    name: str
    group: Group
    does: str
    takes: tuple[Member, ...] = ()
    arms: bool = True
    lasting: bool = False
    once: bool = False


def _m(name: str, kind: Kind, means: str, default: Any = None, *, required: bool = False) -> Member:
    return Member(name, kind, means, default, required)


_COUNT = _m("count", Whole(1), "strokes before it is used up")
_AFTER = _m("after_s", Seconds(), "the struck answer comes so much later", 0.0)
_ACCOUNT = _m("account_id", ACCOUNT, "this account only")
_CONTRACT = _m("contract_id", CONTRACT, "this contract only; an id or a root")
_AT = _m("endpoint", ENDPOINT, "the endpoint that it strikes", "any")
_CALL = (_AT, _COUNT, _ACCOUNT, _CONTRACT)
_HUB = _m("hub", HUB, "the hub that it strikes", "any")
_EVENT = _m("event", EVENT, "this event only")
_SPAN = _m("seconds", Seconds(), "how long it stays armed")
_MARKET_CONTRACT = _m("contract_id", CONTRACT, "an id or a root", required=True)
_FLOW = (_HUB, _EVENT, _COUNT, _ACCOUNT, _CONTRACT)

_TABLE = (
    Verb("accept_then", "rest", "The request is carried out; the answer is a 5xx without a body, a cut connection, an empty 200 or an HTML page.",
         (*_CALL, _m("how", Choice(("reset", "empty", "html"), 500, 599), "what is answered", required=True), _AFTER), once=True),
    Verb("drop", "rest", "The request is carried out and never answered.", _CALL, once=True),
    Verb("delay", "rest", "The request is carried out at once, its answer comes late: after the events that it caused.",
         (*_CALL, _m("seconds", Seconds(), "how late"), _AFTER), once=True),
    Verb("pending", "rest", "A mutation is carried out but answered with the code that says `not settled yet`.",
         (_m("endpoint", Choice(("any", *PENDING_CODES)), "the mutation that it strikes", "any"), _COUNT, _ACCOUNT, _CONTRACT,
          _m("code", Whole(1, 99), "the code; by default the endpoint's own of gateway.md 7.1"),
          _m("with_id", Flag(), "whether the order's id is told all the same", False)), once=True),
    Verb("refuse", "rest", "A business refusal; the request is not carried out.",
         (*_CALL, _m("code", Whole(1, 99), "errorCode", 2), _m("text", Text(), "errorMessage"),
          _m("with_id", Flag(), "place only: a rejected order stays behind and its id is told", False)), once=True),
    Verb("http", "rest", "An HTTP status without carrying anything out.",
         (*_CALL, _m("status", Whole(400, 599), "the status", 500), _m("retry_after", Whole(0), "seconds in a Retry-After header"),
          _m("text", Text(), "the body"), _AFTER), once=True),
    Verb("null", "rest", "The list of a good answer is null.",
         (_m("endpoint", Choice(("any", *LISTS)), "the query that it strikes", "any"), _COUNT, _ACCOUNT, _CONTRACT), once=True),
    Verb("lag", "rest", "Queries answer as of some time ago.",
         (_m("endpoint", Choice(("any", *LAGGING)), "the query that it strikes", "any"), _COUNT, _ACCOUNT, _CONTRACT, _m("seconds", Seconds(), "how far behind", required=True))),
    Verb("zoneless", "rest", "Timestamps of answers come without a zone.", _CALL),
    Verb("close.lie", "rest", "A close is accepted and nothing is closed.",
         (_m("endpoint", Choice(("any", "close", "partial")), "the close that it strikes", "any"), _COUNT, _ACCOUNT, _CONTRACT), once=True),
    Verb("bars.freeze", "rest", "Bars end where they were when it was armed.", (_CONTRACT,)),
    Verb("bars.dup", "rest", "Each bar comes twice.", (_COUNT, _CONTRACT)),
    Verb("bars.shuffle", "rest", "Bars come out of order.", (_COUNT, _CONTRACT)),
    Verb("bars.unknown", "rest", "Bars of every contract are refused with code 1.", (_COUNT, _CONTRACT)),
    Verb("token.expire", "rest", "All tokens issued so far count as expired.", arms=False),
    Verb("hub.403", "hub", "The upgrade to a WebSocket, or the negotiation before it, is refused.",
         (_HUB, _COUNT, _SPAN, _m("status", Whole(400, 599), "the status", 403)), lasting=True, once=True),
    Verb("hub.drop", "hub", "Open connections end: by a close record, by the loss of TCP, or silently: nothing at all comes (`stall`), or pings only.",
         (_HUB, _m("how", Choice(("close", "tcp", "stall", "pings")), "how", "close"),
          _m("allow_reconnect", Flag(), "allowReconnect of the close record; by default the option's"),
          _m("with_error", Flag(), "whether the close record has an error", True),
          _m("seconds", Seconds(), "how long a silence lasts; by default for good")), arms=False),
    Verb("hub.lose", "hub", "Events are lost.", (*_FLOW, _SPAN), lasting=True),
    Verb("hub.late", "hub", "Events come late.", (*_FLOW, _m("seconds", Seconds(), "how late", required=True))),
    Verb("hub.dup", "hub", "Events come twice.", _FLOW, once=True),
    Verb("hub.reorder", "hub", "An event changes places with the next one of its hub, or comes late where none follows.",
         (*_FLOW, _m("seconds", Seconds(), "the longest wait for a next one", 1.0)), once=True),
    Verb("hub.zoneless", "hub", "Timestamps of events come without a zone.", _FLOW),
    Verb("hub.unknown", "hub", "A record of an unknown type is sent.", (_HUB, _m("type", Whole(10, 999), "the type", 42)), arms=False),
    Verb("hub.logout", "hub", "GatewayLogout is sent.", (_HUB,), arms=False),
    Verb("dup_account", "hub", "The account event after a fill comes twice.", (_COUNT, _ACCOUNT)),
    Verb("reemit_open_trade", "hub", "A closing fill tells the opening trade again.", (_COUNT, _ACCOUNT, _CONTRACT)),
    Verb("children.missing", "orders", "Brackets are accepted and no leg comes to be.", (_COUNT, _ACCOUNT, _CONTRACT)),
    Verb("children.late", "orders", "Bracket legs start to work late after the fill.",
         (_COUNT, _ACCOUNT, _CONTRACT, _m("seconds", Seconds(), "how late", required=True))),
    Verb("oco.lag", "orders", "The other leg is cancelled late, so both can fill.",
         (_COUNT, _ACCOUNT, _CONTRACT, _m("seconds", Seconds(), "how late", required=True))),
    Verb("reject", "orders", "The engine rejects an order after it was accepted: 6, then 5.", (_COUNT, _ACCOUNT, _CONTRACT), once=True),
    Verb("engine.late", "orders", "An accepted order stays pending (6) before the engine takes it.",
         (_COUNT, _ACCOUNT, _CONTRACT, _m("seconds", Seconds(), "how long", required=True)), once=True),
    Verb("slip", "orders", "Market orders and stops fill worse.",
         (_COUNT, _ACCOUNT, _CONTRACT, _m("ticks", Whole(1, 10_000), "by so many ticks", required=True))),
    Verb("fill", "orders", "A working order is filled, whole or in part; by default the newest one that is no bracket leg.",
         (_ACCOUNT, _CONTRACT, _m("order_id", Whole(1), "this order"), _m("size", Whole(1), "so many lots; by default all"),
          _m("price", Price(), "the price; by default the order's own")), arms=False),
    Verb("push", "market", "The price walks to a level.",
         (_MARKET_CONTRACT, _m("price", Price(), "where to"), _m("ticks", Whole(-10**9, 10**9), "where to, in ticks"),
          _m("by", Whole(-10**6, 10**6), "how far from the last price, in ticks"), _m("seconds", Seconds(), "within", 1.0)), arms=False),
    Verb("gap", "market", "The price jumps to a level at once.",
         (_MARKET_CONTRACT, _m("price", Price(), "where to"), _m("ticks", Whole(-10**9, 10**9), "where to, in ticks"),
          _m("by", Whole(-10**6, 10**6), "how far from the last price, in ticks")), arms=False),
    Verb("fast", "market", "The price runs to and fro: a walk up, down and back, again and again.",
         (_MARKET_CONTRACT, _m("ticks", Whole(1, 10_000), "how far to each side", 20), _m("seconds", Seconds(), "for so long", 10.0),
          _m("step_s", Seconds(), "how long one walk takes", 0.5)), arms=False),
    Verb("quote.stop", "market", "Quotes, prints and depth stop on the wire; the market goes on.", (_CONTRACT, _SPAN), lasting=True),
    Verb("quote.sparse", "market", "Quotes carry the touch alone.", (_CONTRACT, _SPAN), lasting=True),
    Verb("quote.zero", "market", "Quotes carry 0 and null for prices.", (_CONTRACT, _SPAN), lasting=True),
    Verb("depth.reset", "market", "Depth begins anew: a Reset, then the whole book.", arms=False),
    Verb("halt", "market", "A contract is out of trading.", (_MARKET_CONTRACT, _m("seconds", Seconds(), "for so long; by default until resume")), arms=False),
    Verb("velocity", "market", "A Velocity Logic pause: quotes go on, nothing fills, aggressive orders are refused or cancelled.",
         (_MARKET_CONTRACT, _m("seconds", Seconds(), "for so long; by default until resume"),
          _m("how", Choice(("refuse", "cancel")), "what becomes of aggressive orders", "refuse")), arms=False),
    Verb("resume", "market", "A halt or a pause ends.", (_MARKET_CONTRACT,), arms=False),
    Verb("band", "market", "A contract trades between two prices only; without both the band is gone.",
         (_MARKET_CONTRACT, _m("low", Price(), "lowest price"), _m("high", Price(), "highest price"),
          _m("below", Whole(0, 10**6), "so many ticks below the last price instead of `low`"),
          _m("above", Whole(0, 10**6), "so many ticks above the last price instead of `high`")), arms=False),
    Verb("roll", "market", "The next month becomes the active contract now; the old one trades on for those who hold it.",
         (_MARKET_CONTRACT,), arms=False),
    Verb("void", "account", "A half-turn is voided: its money is given back, the position stays; by default the newest one.",
         (_ACCOUNT, _CONTRACT, _m("trade_id", Whole(1), "this half-turn")), arms=False),
    Verb("liquidate", "account", "The venue closes positions by market orders; with `limit` the account is locked as by that loss limit and its orders are cancelled.",
         (_ACCOUNT, _CONTRACT, _m("limit", Choice(("dll", "mll")), "dll: locked until the next day, mll: for good")), arms=False),
    Verb("account", "account", "Members of an account change: name, balance (micro-dollars), bracket_mode, dll, live_routing, can_trade.",
         (_m("account_id", ACCOUNT, "the account", required=True), _m("set", Settings(), "members and values", required=True)), arms=False),
    Verb("option", "session", "Options of gateway.md 22.1 take other values from now on.", (_m("set", Settings(), "options and values", required=True),), arms=False),
    Verb("cut", "session", "The day's cut comes now: orders cancelled, positions flattened, no order taken until 17:00 CT.",
         (_m("group", Choice(GROUPS), "this trading-hours group only"),), arms=False),
    Verb("holiday", "session", "A day closes early, or does not open at all.",
         (_m("day", Text(), "date; by default the trade date that runs"), _m("close", Text(), "time of the close in CT; by default the day is closed")), arms=False),
    Verb("clear", "session", "All armed faults are disarmed.", arms=False),
    Verb("clock.jump", "machine", "The machine's wall clock steps.", (_m("seconds", Signed(), "how far", required=True),), arms=False),
    Verb("sleep", "machine", "The machine sleeps.", (_m("seconds", Seconds(), "how long", required=True),), arms=False),
    Verb("kill", "machine", "The bot's process is killed.", (_m("point", Text(), "where in its work; by default at once"),), arms=False),
    Verb("db.down", "machine", "The database is gone.", (_m("seconds", Seconds(), "for so long; by default for good"),), arms=False),
    Verb("db.slow", "machine", "The database answers late.", (_m("delay", Seconds(), "how late", required=True), _m("seconds", Seconds(), "for so long; by default for good")), arms=False),
    Verb("disk.full", "machine", "Nothing can be written to the disk.", (_m("seconds", Seconds(), "for so long; by default for good"),), arms=False),
)  # fmt: skip

VERBS = {verb.name: verb for verb in _TABLE}
"""All verbs by name, in the order of docs/faults.md."""

MACHINE = frozenset(verb.name for verb in _TABLE if verb.group == "machine")
