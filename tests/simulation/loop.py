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
from collections import deque
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


class Call:
    """A callback that waits; `due` in ns of monotonic time. Lighter than asyncio's handles, which it replaces."""

    __slots__ = ("args", "callback", "context", "due", "over")

    def __init__(self, callback: Any, args: tuple[Any, ...], context: Context | None, due: int = 0) -> None:
        self.callback, self.args, self.due = callback, args, due
        self.context = copy_context() if context is None else context
        self.over = False

    def cancel(self) -> None:
        self.over = True

    def cancelled(self) -> bool:
        return self.over

    def when(self) -> float:
        """As asyncio's timers tell it."""
        return self.due / SECOND


class VirtualLoop(asyncio.BaseEventLoop):
    """`clock.mono()` is the loop's time."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self._soon: deque[Call] = deque()
        self._timers: list[tuple[int, int, Call]] = []
        self._count = 0
        self._dead: set[int] = set()
        self._tasks: dict[int, list[tuple[asyncio.Task[Any], Context]]] = {}
        self.executor_calls = 0

    def time(self) -> float:
        return self.clock.mono() / SECOND

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        call = Call(callback, args, context)
        if self._dead and call.context.get(PROCESS) in self._dead:
            call.over = True
        else:
            self._soon.append(call)
        return call

    call_soon_threadsafe = call_soon

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        return self.call_at_ns(round(when * SECOND), callback, *args, context=context)

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        due = self.clock.mono() + max(0, round(delay * SECOND))
        return self.call_at_ns(due, callback, *args, context=context)

    def call_at_ns(
        self, due: int, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Call:
        """Call at `due`, in ns of the clock's monotonic time."""
        call = Call(callback, args, context, due)
        if self._dead and call.context.get(PROCESS) in self._dead:
            call.over = True
            return call
        self._count += 1
        heapq.heappush(self._timers, (due, self._count, call))
        return call

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
        for call in (*self._soon, *(timer[2] for timer in self._timers)):
            if call.context.get(PROCESS) == process:
                call.over = True

    def left(self, process: int) -> list[str]:
        """Names of what a process that ended left behind: tasks that are not done, timers that are set."""
        tasks = [task.get_name() for task, _ in self._tasks.get(process, ()) if not task.done()]
        timers = [
            f"timer {timer[2].callback!r}" for timer in self._timers
            if not timer[2].over and timer[2].context.get(PROCESS) == process
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
            if timer[2].context.get(PROCESS) == process:
                held.append(timer)
            elif not timer[2].over:
                self.clock.move_to(timer[0])
                self._call(timer[2])
        for timer in held:
            heapq.heappush(self._timers, timer)
        self.clock.move_to(until)

    def jump(self) -> None:
        """To the earliest instant at which something is due."""
        timers = self._timers
        while timers and timers[0][2].over:
            heapq.heappop(timers)
        due = timers[0][0] if timers else None
        sleeper = self.clock.next_due()
        if sleeper is not None and (due is None or sleeper < due):
            due = sleeper
        if due is None:
            raise Deadlock("no timer is set and nothing is ready")
        self.clock.move_to(due)

    def _run_once(self) -> None:
        soon, timers = self._soon, self._timers
        if not soon:
            self.jump()
        now = self.clock.mono()
        while timers and timers[0][0] <= now:
            soon.append(heapq.heappop(timers)[2])
        for _ in range(len(soon)):
            call = soon.popleft()
            if not call.over:
                self._call(call)

    def _call(self, call: Call) -> None:
        try:
            call.context.run(call.callback, *call.args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as problem:
            self.call_exception_handler({"message": f"exception in {call.callback!r}", "exception": problem})

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
