"""Waiting for something with a limit, never for a fixed time."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# Seconds that a test waits for something that normally takes a fraction of one; large because the machine may be busy.
# INTEROP_LIMIT sets another, for working on a test that fails.
LIMIT = float(os.environ.get("INTEROP_LIMIT", "60"))
# Seconds between two looks at the same thing; it grows while nothing happens.
FIRST_PAUSE = 0.05
LAST_PAUSE = 0.5


class NotInTime(AssertionError):
    """What was waited for did not happen within the limit."""


async def eventually(condition: Callable[[], Awaitable[T] | T], what: str, limit: float = LIMIT) -> T:
    """Returns the first true answer of `condition`, asking again and again.

    An `AssertionError` counts as "not yet", so that a condition may be written with assertions; the last one is shown
    when the limit passes.
    """
    deadline = time.monotonic() + limit
    pause = FIRST_PAUSE
    while True:
        last: object = None
        try:
            last = condition()
            if inspect.isawaitable(last):
                last = await last
            if last:
                return last
        except AssertionError as not_yet:
            last = not_yet
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {limit:.0f} s: {what}; last seen: {str(last)[:2000]}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LAST_PAUSE)
