"""Failures that cross a component's border. Refusals are data (`Denial`), not exceptions.

Every message reads like help: what was expected, what was seen, what to do.
"""

from __future__ import annotations


class BotError(Exception):
    """Base of all failures raised by the bot.

    `code` is a stable upper-case name, `exit_code` the process exit code of a command that ends with it.
    """

    code = "ERROR"
    exit_code = 1

    def __init__(self, what: str, *, expected: str = "", seen: object = "", do: str = "") -> None:
        self.what, self.expected, self.seen, self.do = what, expected, seen, do
        parts = [what]
        if expected:
            parts.append(f": expected {expected}")
            if seen != "":
                parts.append(f", got {seen!r}")
        if do:
            parts.append(f"; {do}")
        super().__init__("".join(parts))


class BadNumber(BotError):
    """Decimal text outside the grammar of exact numbers."""

    code = "BAD_NUMBER"


class BadField(BotError):
    """A required field is missing or has the wrong type."""

    code = "BAD_FIELD"


class BadTimeframe(BotError):
    """A timeframe spelling that is not legal."""

    code = "BAD_TIMEFRAME"


class Unsorted(BotError):
    """Bars that are not strictly ascending by start."""

    code = "UNSORTED"


class CalendarUnknown(BotError):
    """A date outside the calendar's covered range."""

    code = "CALENDAR_UNKNOWN"


class UnknownSymbol(BotError):
    """A symbol or contract that no contract record names."""

    code = "UNKNOWN_SYMBOL"
    exit_code = 13


class UsageError(BotError):
    """A command that cannot be carried out as it was given."""

    code = "USAGE"
    exit_code = 2


class ConfigError(BotError):
    """Configuration that cannot be used; nothing was started."""

    code = "BAD_CONFIG"
    exit_code = 3


class AuthError(BotError):
    """The venue refused the credentials or the subscription; retrying does not help."""

    code = "AUTH_REFUSED"
    exit_code = 4


class UntrustedVenue(AuthError):
    """The venue's certificate is not to be trusted; nothing was sent."""

    code = "UNTRUSTED_VENUE"


class AccountError(BotError):
    """No usable account."""

    code = "NO_ACCOUNT"
    exit_code = 5


class AccountLocked(BotError):
    """Another process holds the account's lock."""

    code = "ACCOUNT_LOCKED"
    exit_code = 6


class VenueUnreachable(BotError):
    """A read did not reach the venue, or no answer came in time. The state is unknown, not empty."""

    code = "VENUE_UNREACHABLE"
    exit_code = 10


class VenueRefused(BotError):
    """The venue answered a read with a business failure."""

    code = "VENUE_REFUSED"
    exit_code = 8


class ProtocolError(BotError):
    """An answer that is not of the documented shape."""

    code = "PROTOCOL_ERROR"
    exit_code = 10


class StaleEpoch(BotError):
    """The lease is of an older authority epoch, or its lock is not held."""

    code = "STALE_EPOCH"


class StoreUnavailable(BotError):
    """The database could not be reached or did not answer in time."""

    code = "STORE_UNAVAILABLE"
    exit_code = 12


class StoreConflict(BotError):
    """A unique key or an expected version did not match."""

    code = "STORE_CONFLICT"
    exit_code = 12


class StoreCorrupt(BotError):
    """Stored data that cannot be read as what it should be."""

    code = "STORE_CORRUPT"
    exit_code = 12


class CoreFailure(BotError):
    """A compiled component stopped at a defect; its state is not to be trusted until it is restored."""

    code = "CORE_FAILURE"
