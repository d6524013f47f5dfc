"""The worker's seal: it starts only where it can see no credentials and no venue, and it opens no socket."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bot.model.errors import BotError

_NAMES: Final = re.compile(
    r"^(PROJECT_?X|TOPSTEPX?|TOPSETPX|BOT_AUTH|BOT_GATEWAY)_|^JWT_TOKEN$|^BOT_.*(API_?KEY|TOKEN|SECRET|PASSWORD)",
    re.IGNORECASE,
)
_VENUE: Final = re.compile(
    r"topstepx\.com|projectx\.com|/hubs/(user|market)|/api/Auth/loginKey", re.IGNORECASE
)
_NETWORK: Final = frozenset(
    {
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
    }
)


class SealBroken(BotError):
    """Something a shadow worker must not be able to see or do."""

    code = "SEAL_BROKEN"
    exit_code = 14


def inspect(environ: Mapping[str, str], arguments: Sequence[str]) -> None:
    """Raise SealBroken, naming what was seen and never its value."""
    named = sorted(name for name, value in environ.items() if value and _NAMES.search(name))
    pointing = sorted(name for name, value in environ.items() if name not in named and _VENUE.search(value))
    for what, found in (("credentials", named), ("a venue address", pointing)):
        if found:
            raise SealBroken(
                f"shadow worker: {what} in the environment", expected="none", seen=", ".join(found),
                do="start it through the bot, which hands on a clean environment, or unset them",
            )  # fmt: skip
    if any(_VENUE.search(argument) or _NAMES.search(argument) for argument in arguments):
        raise SealBroken(
            "shadow worker: a venue address or credentials in the arguments", expected="none",
            do="it needs a journal folder and an evidence file only",
        )  # fmt: skip


def close() -> None:
    """From here on every attempt of this process to use the network raises SealBroken; it cannot be undone."""
    sys.addaudithook(_tripwire)


def _tripwire(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _NETWORK:
        raise SealBroken("shadow worker: network", expected="no connection of its own", seen=event)
