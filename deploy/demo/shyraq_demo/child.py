"""A process of the demo, started and ended so that nothing of it is left.

Each has a session of its own, so that Ctrl-C reaches only the demo itself, which then ends the
others in order. Each is told to die with the demo: our own processes by the end of their
standard input, a broker by `setpriv --pdeathsig` where that exists. What a process says goes
to a file in the run's directory, whose end is quoted when it dies unasked.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shyraq_demo.errors import WorldError

_ASKED_S: Final = 8.0
"""How long a process may take to end when asked; then it is killed."""
_QUOTED_LINES: Final = 12


class Child:
    """One running process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        """Take over a process; `start` makes one.

        Args:
            name: For messages.
            process: Just started.
            log: Where its standard error goes.
        """
        self.name: Final = name
        self._process = process
        self._log = log

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], *, log: Path, talks: bool = False
    ) -> "Child":
        """Start a process.

        Args:
            name: For messages.
            command: Program and arguments.
            log: File for what it says on standard error, and on standard output unless it
                `talks`.
            talks: It is ours: it takes lines on standard input, ends when that ends, and
                answers on standard output.

        Raises:
            WorldError: The program cannot be started.
        """
        pipe = asyncio.subprocess.PIPE
        with log.open("ab") as sink:
            try:
                process = await asyncio.create_subprocess_exec(
                    *([] if talks else _dying_with_us()),
                    *command,
                    stdin=pipe if talks else asyncio.subprocess.DEVNULL,
                    stdout=pipe if talks else sink,
                    stderr=sink,
                    start_new_session=True,
                )
            except OSError as error:
                raise WorldError(f"the {name} cannot be started: {error}") from error
        return cls(name, process, log)

    async def tell(self, line: str) -> None:
        """Give the process one line on its standard input.

        Raises:
            WorldError: It has gone.
        """
        stdin = self._process.stdin
        if stdin is not None:
            try:
                stdin.write(line.encode() + b"\n")
                await stdin.drain()
            except ConnectionError as error:
                raise WorldError(self._obituary()) from error

    async def hear(self, word: str, *, within_s: float) -> None:
        """Wait until the process says a word, alone on a line.

        Raises:
            WorldError: It ends, or says nothing in time.
        """
        while await self.listen(within_s=within_s) != word:
            pass

    async def listen(self, *, within_s: float) -> str:
        """The next line that the process says.

        Raises:
            WorldError: It ends, or says nothing in time.
        """
        stdout = self._process.stdout
        try:
            async with asyncio.timeout(within_s):
                line = b"" if stdout is None else await stdout.readline()
                if not line:
                    await self._process.wait()
        except TimeoutError as error:
            raise WorldError(f"the {self.name} says nothing for {within_s:.0f} s") from error
        if not line:
            raise WorldError(self._obituary())
        return line.decode(errors="replace").strip()

    def check(self) -> None:
        """Return if the process is alive.

        Raises:
            WorldError: It has ended; the text quotes its last words.
        """
        if self._process.returncode is not None:
            raise WorldError(self._obituary())

    async def stop(self) -> None:
        """End the process: ask, then kill; on return it is gone."""
        if self._process.returncode is None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(_ASKED_S):
                    await self._process.wait()
            except TimeoutError:
                self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """End the process and whatever it started, at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """To its whole session; not by asyncio, whose send_signal may take the exit code away."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _obituary(self) -> str:
        words = self._log.read_text(errors="replace").splitlines()[-_QUOTED_LINES:]
        lines = "".join(f"\n    {line}" for line in words)
        return f"the {self.name} ended with code {self._process.returncode}:{lines}"


def _dying_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--"]
