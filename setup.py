"""Optional compiled twins of hot components; the bot installs and runs without them.

Without Cython or a C compiler the install goes on in pure Python and says so; why a twin is missing is
told by `bot.accelerated.registry.available`.
"""

import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

EXTENSIONS = {"bot.accelerated._market_data": "bot/accelerated/_market_data.pyx"}


class OptionalBuild(build_ext):
    """Builds what can be built; a failure leaves the pure Python implementation."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as problem:
            self._missing(problem)

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except Exception as problem:
            self._missing(problem)

    def _missing(self, problem: Exception) -> None:
        sys.stderr.write(f"no compiled twins: {problem}; the bot runs in pure Python\n")


def extensions() -> list[Extension]:
    """The extensions, translated when Cython is there."""
    try:
        from Cython.Build import cythonize
    except ImportError as problem:
        sys.stderr.write(f"no compiled twins: {problem}; the bot runs in pure Python\n")
        return []
    modules = [
        Extension(name, [source], extra_compile_args=["-O3"], optional=True)
        for name, source in EXTENSIONS.items()
    ]
    return cythonize(modules, nthreads=0)


setup(ext_modules=extensions(), cmdclass={"build_ext": OptionalBuild})
