"""The end of a process, whoever is left in it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn


def leave(main: Callable[[], int]) -> NoReturn:
    """End the process with what `main` returns, or exits with. The interpreter would wait for the kernels of pages that
    somebody has open, and these wait for their visitors."""
    code: str | int | None
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    if threading.active_count() == 1:
        sys.exit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
