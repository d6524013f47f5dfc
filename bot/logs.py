"""Logs: one JSON object a line in a rotating file, short text on the console, no secret in either (bot.md §21.4, §21.5).

Everything goes through the standard library's root logger, that of third parties too. Secrets are taken out
where a record becomes text: by the values that were announced, by the names of fields, and by shapes such as
tokens in addresses. Equal messages are written once a while, with how many were left out.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import sys
from collections import OrderedDict
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import structlog

from bot.clock import SECOND, Clock, SystemClock
from bot.model.times import format_ts

FILE_BYTES: Final = 10 * 1024 * 1024
FILE_COUNT: Final = 5
REPEAT_S: Final = 10
REPEAT_KEYS: Final = 500
SHORTEST_SECRET: Final = 4
MASK: Final = "***"
_NAMES: Final = re.compile(
    r"(?:^|_)(?:api_?key|apikey|token|access_token|jwt|authorization|auth_token|password|passwd|secret|dsn|"
    r"cookie|set_cookie|webhook_url|discord_url|database_url|credentials?)s?$",
    re.ASCII,
)
_SHAPES: Final = (
    (re.compile(r"(?i)\b(access_token|api_?key|token|password|passwd|secret|authtoken)(\"?'?\s*[=:]\s*\"?'?)(?:bearer\s+)?[^\s\"'&,;)}\]]+"), rf"\1\2{MASK}"),
    (re.compile(r"(?i)\b(authorization)(\"?'?\s*[=:]\s*\"?'?)[^\"'\r\n,;}\]]+"), rf"\1\2{MASK}"),
    (re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]+"), f"Bearer {MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), MASK),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@"), rf"\1:{MASK}@"),
    (re.compile(r"(?i)https://(?:[a-z]+\.)?discord(?:app)?\.com/api/webhooks/\S+"), MASK),
)  # fmt: skip
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class Redactor:
    """Takes secrets out of text and of structured values. Values may be added at any time (a new token)."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Never show these texts again, nor their JSON-escaped form. Very short ones are left to their names."""
        for secret in secrets:
            if len(secret) >= SHORTEST_SECRET:
                self._values |= {secret, msgspec.json.encode(secret)[1:-1].decode(), repr(secret)[1:-1]}
        longest_first = sorted(self._values, key=lambda value: (-len(value), value))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """The text without announced values and without what looks like a secret."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text

    def value(self, value: Any, name: str = "") -> Any:
        """A JSON-ready copy; the values of fields with a secret's name are masked whole."""
        if name and value is not None and _NAMES.search(name.lower().replace("-", "_")):
            return MASK
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if isinstance(value, bytes | bytearray | memoryview):
            value = bytes(value).decode(errors="replace")
        return self.text(value if isinstance(value, str) else repr(value))


class JsonLines(logging.Formatter):
    """One object a line: ts, level, component, event, then the fields, then the exception."""

    def __init__(self, redactor: Redactor, clock: Clock) -> None:
        super().__init__()
        self._redactor = redactor
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        fields = fields_of(record)
        row = {
            "ts": format_ts(self._clock.now(), max_digits=6),
            "level": record.levelname.lower(),
            "component": fields.pop("component", None) or record.name,
            "event": fields.pop("event"),
            **fields,
        }
        if exception := exception_of(record):
            row["exception"] = exception
        return msgspec.json.encode(self._redactor.value(row)).decode()


class ShortText(logging.Formatter):
    """`12:34:56 WARNING websocket hub.lost reason=…` for people."""

    def __init__(self, redactor: Redactor, clock: Clock) -> None:
        super().__init__()
        self._redactor = redactor
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        fields = self._redactor.value(fields_of(record))
        at = format_ts(self._clock.now(), max_digits=0)[11:19]
        component = fields.pop("component", None) or record.name
        head = f"{at} {record.levelname:<7} {component} {fields.pop('event')}"
        text = " ".join([head, *(f"{name}={value}" for name, value in fields.items())])
        exception = exception_of(record)
        if exception:
            text += "\n  " + self._redactor.text(exception).strip().splitlines()[-1]
        return text


class Repeats(logging.Filter):
    """Lets a message with equal fields through once in `REPEAT_S`; the next one says how many were left out.

    Remembers at most `REPEAT_KEYS` messages; critical ones always pass.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[tuple[str, int, int], list[int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.CRITICAL:
            return True
        key = (record.name, record.levelno, hash(repr(fields_of(record))))
        now = self._clock.host_mono()
        seen = self._seen.get(key)
        if seen is not None and now - seen[0] < REPEAT_S * SECOND:
            seen[1] += 1
            return False
        if seen is not None and seen[1]:
            record.repeated = seen[1]
        self._seen[key] = [now, 0]
        self._seen.move_to_end(key)
        if len(self._seen) > REPEAT_KEYS:
            self._seen.popitem(last=False)
        return True


class PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner can read."""

    def _open(self) -> Any:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A full disk must not stop the bot, nor print a record that was not redacted."""


class Logging:
    """The log set-up of a process; `close` puts back what was there before."""

    def __init__(
        self, path: Path | None, redactor: Redactor, *, clock: Clock | None = None, level: str = "INFO",
        console_level: str = "WARNING", console: TextIO | None = None,
    ) -> None:  # fmt: skip
        clock = clock or SystemClock()
        self._root = logging.getLogger()
        self._before = (list(self._root.handlers), self._root.level)
        self._handlers: list[logging.Handler] = []
        short = logging.StreamHandler(console or sys.stderr)
        short.setFormatter(ShortText(redactor, clock))
        short.setLevel(console_level)
        self._handlers.append(short)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = PrivateFile(path, maxBytes=FILE_BYTES, backupCount=FILE_COUNT - 1, encoding="utf-8")
            file.setFormatter(JsonLines(redactor, clock))
            file.setLevel(level)
            self._handlers.append(file)
        for handler in self._handlers:
            handler.addFilter(Repeats(clock))
        self._root.handlers = list(self._handlers)
        self._root.setLevel(min(handler.level for handler in self._handlers))
        for chatty in ("asyncio", "aiohttp.access", "websocket", "SignalRCoreClient", "signalrcore"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.contextvars.merge_contextvars,
                _hand_over,
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
            cache_logger_on_first_use=False,
        )
        self._hook = sys.excepthook
        sys.excepthook = _uncaught

    def close(self) -> None:
        sys.excepthook = self._hook
        for handler in self._handlers:
            handler.close()
        self._root.handlers, level = self._before
        self._root.setLevel(level)
        structlog.reset_defaults()


def logger(component: str) -> Any:
    """A structured logger: `log.info("order.denied", code=…, intent_id=…)`."""
    return structlog.stdlib.get_logger(component).bind(component=component)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Event and fields of a record, whoever wrote it."""
    fields = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
    try:
        event = record.getMessage()
    except (TypeError, ValueError):
        event = str(record.msg)
    fields.setdefault("event", event)
    return fields


def exception_of(record: logging.LogRecord) -> str:
    """The traceback of a record, chained ones included, or an empty text."""
    found = record.exc_text or ""
    if not found and record.exc_info and record.exc_info[0] is not None:
        found = logging.Formatter().formatException(record.exc_info)
    return f"{found}\n{record.stack_info}" if record.stack_info else found


def _hand_over(_: Any, __: str, event: MutableMapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A structlog event as the arguments of a standard logger: fields travel as attributes of the record."""
    message = str(event.pop("event", ""))
    exc_info = event.pop("exc_info", None)
    stack_info = event.pop("stack_info", False)
    fields = {f"{name}_" if name in _STANDARD else name: value for name, value in event.items()}
    return (message,), {"extra": fields, "exc_info": exc_info, "stack_info": stack_info}


def _uncaught(kind: type[BaseException], problem: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("bot").critical("uncaught", exc_info=(kind, problem, trace))
