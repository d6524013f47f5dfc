"""The authority register: who decides for a unit of work, read once and carried with it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bot.migration.flags import FlagsFile
from bot.migration.stages import Flag, Stage, known_component


class Unit(msgspec.Struct, frozen=True):
    """What holds for one unit of work. `authority` is the implementation whose output is used."""

    component: str
    stage: Stage
    authority: str
    candidates: tuple[str, ...]
    epoch: int

    @property
    def recorded(self) -> bool:
        """Whether the seam is written to the journal."""
        return self.stage != "off"

    @property
    def shadowed(self) -> bool:
        """Whether candidates run beside the authority."""
        return self.stage == "shadow"


class Register:
    """Answers per component from the flags in force; listeners hear of changes between two units of work."""

    def __init__(self, flags: FlagsFile) -> None:
        self._flags = flags
        self._listeners: dict[str, list[Callable[[Unit], None]]] = {}

    @property
    def alarm(self) -> str | None:
        """What is wrong with the flags, None when nothing is."""
        return self._flags.alarm

    def unit(self, component: str) -> Unit:
        """Read the stage for one unit of work. The authority is Python at every stage that is executed."""
        document = self._flags.current
        flag: Flag = document.flag(known_component(component))
        return Unit(component, flag.effective, "python", flag.candidates, document.epoch)

    def listen(self, component: str, listener: Callable[[Unit], None]) -> None:
        """Call `listener` with the new unit whenever the component's flag changes."""
        self._listeners.setdefault(known_component(component), []).append(listener)

    def poll(self) -> bool:
        """Look for a changed flags file (call it about once a second, between units of work)."""
        before = {name: self.unit(name) for name in self._listeners}
        if not self._flags.poll():
            return False
        for name, listeners in self._listeners.items():
            unit = self.unit(name)
            if msgspec.structs.replace(unit, epoch=0) != msgspec.structs.replace(before[name], epoch=0):
                for listener in listeners:
                    listener(unit)
        return True
