"""An event loop in virtual time: when nothing is ready it jumps to the next timer. No threads, no sockets.

Timers of the loop and sleepers of its VirtualClock fire in order of their instants, so that a run is a
function of its seed. A loop in which nothing can ever happen again raises Deadlock instead of hanging.

Work belongs to the process that `PROCESS` names in its context; `kill` ends such a process as `kill -9`
does: no line of it runs any more, not even a `finally`.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import warnings
from asyncio.events import Handle, TimerHandle
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

from bot.clock import SECOND, VirtualClock

T = TypeVar("T")

PROCESS: ContextVar[int] = ContextVar("PROCESS", default=0)
"""The number of the simulated process that the running code belongs to, 0 = the world."""


class Deadlock(Exception):
    """Everybody waits and no timer is set."""


class Killed(BaseException):
    """The process ended in the middle of this call, without any clean-up."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`clock.mono()` is the loop's time."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self._timers: list[tuple[int, int, TimerHandle]] = []
        self._count = 0
        self._dead: set[int] = set()
        self._tasks: dict[int, list[tuple[asyncio.Task[Any], Context]]] = {}
        self.executor_calls = 0

    def time(self) -> float:
        return self.clock.mono() / SECOND

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Handle:
        handle = Handle(callback, args, self, context)
        if self._dead and handle._context.get(PROCESS) in self._dead:  # type: ignore[attr-defined]
            handle.cancel()
        else:
            self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    call_soon_threadsafe = call_soon

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> TimerHandle:
        return self.call_at_ns(round(when * SECOND), callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> TimerHandle:
        due = self.clock.mono() + max(0, round(delay * SECOND))
        return self.call_at_ns(due, callback, *args, context=context)

    def call_at_ns(
        self, due: int, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Call at `due`, in ns of the clock's monotonic time."""
        handle = TimerHandle(due / SECOND, callback, args, self, context)
        if self._dead and handle._context.get(PROCESS) in self._dead:  # type: ignore[attr-defined]
            handle.cancel()
            return handle
        self._count += 1
        heapq.heappush(self._timers, (due, self._count, handle))
        return handle

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS, 0)
        if process:
            self._tasks.setdefault(process, []).append((task, context or copy_context()))
            if len(self._tasks[process]) % 1024 == 0:
                self._tasks[process] = [one for one in self._tasks[process] if not one[0].done()]
        return task

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        self.executor_calls += 1
        raise RuntimeError("a simulated process has no threads")

    def kill(self, process: int) -> None:
        """From now on nothing of this process runs. The caller, if it belongs to it, raises Killed."""
        self._dead.add(process)
        for handle in (*self._ready, *(timer[2] for timer in self._timers)):  # type: ignore[attr-defined]
            if handle._context.get(PROCESS) == process:
                handle.cancel()

    def left(self, process: int) -> list[str]:
        """Names of what a process that ended left behind: tasks that are not done, timers that are set."""
        tasks = [task.get_name() for task, _ in self._tasks.get(process, ()) if not task.done()]
        timers = [
            f"timer {timer[2]._callback!r}" for timer in self._timers
            if not timer[2].cancelled() and timer[2]._context.get(PROCESS) == process  # type: ignore[attr-defined]
        ]  # fmt: skip
        return tasks + timers

    def is_of_the_dead(self, task: asyncio.Task[Any]) -> bool:
        return any(task is one for process in self._dead for one, _ in self._tasks.get(process, ()))

    def bury(self) -> None:
        """Take apart what killed processes left suspended; whatever they try meanwhile is dropped."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for process in sorted(self._dead):
                for task, context in self._tasks.get(process, ()):
                    if not task.done():
                        task._log_destroy_pending = False  # type: ignore[attr-defined]
                        context.run(_close, task.get_coro())

    def stand_still(self, process: int, seconds: float) -> None:
        """Let time go on for everybody but this process; what it missed comes at once when this returns."""
        until = self.clock.mono() + round(seconds * SECOND)
        held = []
        while self._timers and self._timers[0][0] <= until:
            timer = heapq.heappop(self._timers)
            if timer[2]._context.get(PROCESS) == process:  # type: ignore[attr-defined]
                held.append(timer)
            elif not timer[2]._cancelled:  # type: ignore[attr-defined]
                self.clock.move_to(timer[0])
                timer[2]._run()
        for timer in held:
            heapq.heappush(self._timers, timer)
        self.clock.move_to(until)

    def jump(self) -> None:
        """To the earliest instant at which something is due."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:  # type: ignore[attr-defined]
            heapq.heappop(timers)
        due = timers[0][0] if timers else None
        sleeper = self.clock.next_due()
        if sleeper is not None and (due is None or sleeper < due):
            due = sleeper
        if due is None:
            raise Deadlock("no timer is set and nothing is ready")
        self.clock.move_to(due)

    def _run_once(self) -> None:
        ready, timers = self._ready, self._timers  # type: ignore[attr-defined]
        if not ready:
            self.jump()
        now = self.clock.mono()
        while timers and timers[0][0] <= now:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no files."""

    def _write_to_self(self) -> None:
        """Nobody else runs."""


def run(clock: VirtualClock, work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end; what is left over is cancelled and awaited."""
    loop = VirtualLoop(clock)
    loop.set_exception_handler(_told)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(loop.create_task(work))
    finally:
        loop.bury()
        left = [task for task in asyncio.all_tasks(loop) if not loop.is_of_the_dead(task)]
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()


def _told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)


def _close(coroutine: Any) -> None:
    for _ in range(100):
        with contextlib.suppress(BaseException):
            coroutine.close()
            return
