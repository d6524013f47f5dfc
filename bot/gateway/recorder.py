"""What a recording process may do at the venue, and what it keeps of what it hears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from bot.clock import Clock
from bot.gateway.inbox import Arrived
from bot.gateway.transport import AiohttpTransport, RawReply
from bot.model.errors import BotError
from bot.model.events import Hub
from bot.model.times import format_ts
from bot.recording.entries import Entry, Kind
from bot.recording.writer import RecordingFailed, RecordingWriter

READS: Final = frozenset(
    {
        "/paper/clock",
        "/api/Auth/loginKey",
        "/api/Auth/validate",
        "/api/Auth/logout",
        "/api/Account/search",
        "/api/Contract/available",
        "/api/Contract/searchById",
    }
)
GAPS_LISTED: Final = 1_000
_HIDDEN: Final = b"***"


class NotARead(BotError):
    """A request that a read-only connection does not transmit; nothing was sent."""

    code = "READ_ONLY"
    exit_code = 7


class ReadOnlyTransport(AiohttpTransport):
    """Transmits the requests of `READS` and no other, whoever asks."""

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> RawReply:
        """One transmission. Raises NotARead, TransportFailure."""
        if path not in READS:
            raise NotARead("read-only connection", expected=" or ".join(sorted(READS)), seen=path)
        return await super().request(method, path, headers, body, timeout_s)


class Recorder:
    """Hands everything that both hubs bring to a writer; `secrets` gives what must not get there.

    Once writing has failed, `failed` holds why and nothing more is kept.
    """

    def __init__(self, writer: RecordingWriter, clock: Clock, secrets: Callable[[], Iterable[str]]) -> None:
        self._writer, self._clock, self._secrets = writer, clock, secrets
        self._up: set[Hub] = set()
        self.frames: Counter[str] = Counter(user=0, market=0)
        self.bytes = 0
        self.gaps: list[dict[str, str]] = []
        self.failed: RecordingFailed | None = None

    def note(self, kind: Kind, text: str, hub: str = "", generation: int = 0) -> None:
        """Keep something that is no frame, at the present time."""
        data = self._clean(text.encode())
        self._keep(Entry(kind, hub, generation, self._clock.host_mono(), self._clock.now(), data))

    def on_records(self, hub: Hub, generation: int, records: list[Arrived]) -> None:
        """Records of a hub with their arrival stamps."""
        for record, venue_ns, mono_ns in records:
            self.frames[hub] += 1
            self.bytes += len(record)
            self._keep(Entry("frame", hub, generation, mono_ns, venue_ns, self._clean(record)))

    def on_state(self, hub: Hub, state: str, generation: int, reason: str) -> None:
        """A connection came up or was lost; what a lost one misses is a gap."""
        self.note("state", f"{state} {reason}", hub, generation)
        if state == "up":
            self._up.add(hub)
        elif hub in self._up:
            self._up.discard(hub)
            if len(self.gaps) < GAPS_LISTED and reason != "stopped":
                self.gaps.append({"hub": hub, "at": format_ts(self._clock.now()), "reason": reason})

    def up(self) -> bool:
        """Whether both hubs are connected and subscribed."""
        return len(self._up) == len(("user", "market"))

    def flush(self) -> None:
        """Write what waits."""
        try:
            self._writer.flush()
        except RecordingFailed as problem:
            self.failed = problem

    def _keep(self, entry: Entry) -> None:
        if self.failed is not None:
            return
        try:
            self._writer.add(entry)
        except RecordingFailed as problem:
            self.failed = problem

    def _clean(self, data: bytes) -> bytes:
        for secret in self._secrets():
            text = secret.encode()
            if text and text in data:
                data = data.replace(text, _HIDDEN)
        return data
