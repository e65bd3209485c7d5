"""Programs in a pseudo-terminal, as a person at a terminal runs them."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

if sys.platform != "win32":
    import fcntl
    import pty
    import termios


class Ended(NamedTuple):
    """A program that has ended. *output* has stdout and stderr, as the terminal shows them."""

    status: int
    output: str


def run_in_terminal(
    command: list[str],
    environment: Mapping[str, str],
    *,
    width: int = 80,
    typed: str = "",
    interrupt_at: str = "",
    timeout: float = 60,
) -> Ended:
    """Run *command* in a terminal of *width* columns, in which *typed* is typed at the start.

    SIGINT is sent once the program has printed *interrupt_at*.
    """
    ours, theirs = pty.openpty()
    process: subprocess.Popen[bytes] | None = None
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        kept = {k: v for k, v in environment.items() if k not in {"COLUMNS", "LINES"}}
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"TERM": "xterm-256color", **kept},
            start_new_session=True,
        )
        os.close(theirs)
        os.write(ours, typed.encode())
        chunks: list[bytes] = []
        while True:
            readable, _, _ = select.select([ours], [], [], timeout)
            assert readable, f"{command} printed nothing for {timeout} s"
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # Linux: the program has closed the terminal
                break
            if not chunk:
                break
            chunks.append(chunk)
            if interrupt_at and interrupt_at.encode() in b"".join(chunks):
                process.send_signal(signal.SIGINT)
                interrupt_at = ""
        status = process.wait(timeout)
    except BaseException:
        if process is not None:
            process.kill()
            process.wait()
        raise
    finally:
        os.close(ours)
    return Ended(status, b"".join(chunks).decode().replace("\r\n", "\n"))
