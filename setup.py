"""Optional compiled twins of hot components; the bot installs and runs without them.

Without Cython or a C compiler the install goes on in pure Python and says so; why a twin is missing is
told by `bot.accelerated.registry.available`. With BOT_REQUIRE_EXTENSIONS=1 the failure ends the build.
"""

import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

EXTENSIONS = {"bot.accelerated._market_data": "bot/accelerated/_market_data.pyx"}
REQUIRED = os.environ.get("BOT_REQUIRE_EXTENSIONS") == "1"


class OptionalBuild(build_ext):
    """Builds what can be built; a failure leaves the pure Python implementation."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as problem:
            missing(problem)

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except Exception as problem:
            missing(problem)


def missing(problem: Exception) -> None:
    """Say that a twin is missing, or end the build where it is required."""
    if REQUIRED:
        raise problem
    sys.stderr.write(f"no compiled twins: {problem}; the bot runs in pure Python\n")


def extensions() -> list[Extension]:
    """The extensions, translated when Cython is there."""
    try:
        from Cython.Build import cythonize

        return cythonize(
            [Extension(name, [source], extra_compile_args=["-O3"]) for name, source in EXTENSIONS.items()]
        )
    except Exception as problem:
        missing(problem)
        return []


setup(ext_modules=extensions(), cmdclass={"build_ext": OptionalBuild})
