"""A server process: started with its output in a file, ended by its own id and no other."""

import asyncio
import ctypes
import os
import signal
import subprocess
from pathlib import Path

# Seconds that a server may take to end after SIGTERM before it is killed.
STOP_LIMIT = 20.0
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None)


class Process:
    """One child process, whose standard output and error are appended to `log`."""

    def __init__(self, command: list[str], folder: Path, log: Path):
        # Variables such as ALTHING_BIN would be read as configuration keys by the server.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ALTHING_")}
        environment["PYTHONUNBUFFERED"] = "1"
        self.command = command
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
            )

    @property
    def running(self) -> bool:
        return self.child.poll() is None

    async def stop(self) -> int:
        """Ends the process with SIGTERM, or with SIGKILL once the limit has passed; returns its status."""
        if self.running:
            self.child.send_signal(signal.SIGTERM)
        try:
            return await asyncio.to_thread(self.child.wait, STOP_LIMIT)
        except subprocess.TimeoutExpired:
            return await self.kill()

    async def kill(self) -> int:
        """Ends the process at once, wherever it stands."""
        if self.running:
            self.child.kill()
        return await asyncio.to_thread(self.child.wait)


def die_with_parent() -> None:
    """Lets the kernel kill this process when the test run dies without cleaning up."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
