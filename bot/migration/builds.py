"""Identity of an implementation: a hash over the files its results depend on."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import bot.calendar

_CALENDAR = Path(bot.calendar.__file__).parent


def source_hash(kind: type) -> str:
    """Twelve hex digits over the module (or package) of a class and over the session calendar.

    An extension module is hashed as the binary that is loaded.
    """
    module = sys.modules[kind.__module__]
    file = Path(getattr(module, "__file__", None) or __file__)
    package = file.parent if (file.parent.name == "market_data" or file.name == "__init__.py") else None
    files = sorted(package.glob("*.py")) if package else [file]
    digest = hashlib.blake2b(digest_size=6)
    for path in [*files, *sorted(_CALENDAR.glob("*.py")), *sorted(_CALENDAR.glob("*.json"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
