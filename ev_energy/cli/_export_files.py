"""The files of an export: rows that survive a crash at any moment, each exactly once.

Rows are appended to ``FILE.part``, which is synced to the disk; then ``FILE.state`` is replaced,
which says how many bytes of it count and where the listing continues. What a killed process wrote
behind these bytes is cut off when the export is resumed. At the end, ``FILE`` appears as a whole.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, cast

import attrs

from ev_energy.cli._exit import UsageError

_VERSION: Final = 1


@attrs.frozen(kw_only=True)
class Progress:
    """How far an export is."""

    cursor: str | None = None
    """The page to continue at; None at the beginning, and when there are no more pages."""
    size: int = 0
    """The bytes of the rows file that count."""
    rows: int = 0
    pages: int = 0
    newest: str | None = None
    """The time of the first item, from which the share that has been read is estimated."""
    complete: bool = False
    """Whether all rows are in the rows file."""


class ExportFiles:
    """The files of an export to *target*. Use it in a ``with`` statement, which locks them."""

    def __init__(self, target: Path, arguments: Mapping[str, Any], command: str = "") -> None:
        self.target = target
        self.rows_path = target.with_name(f"{target.name}.part")
        self._state_path = target.with_name(f"{target.name}.state")
        self._arguments = json.loads(json.dumps(arguments))
        self._command = command
        """What was typed, for the message to a command with other arguments."""
        self.progress = Progress()
        self.moved = False
        """Whether an earlier export ended right after it had moved its rows to the target."""
        self._rows: BinaryIO | None = None

    def open(self, *, overwrite: bool, header: bytes = b"") -> bool:
        """Open or create the files. Return whether an earlier export is continued.

        A new rows file begins with *header*. `UsageError` if *target* exists, or another export to
        it is unfinished; *overwrite* replaces both. An unfinished export with the same arguments is
        continued in any case.
        """
        if not self.target.parent.is_dir():
            raise UsageError(f"there is no folder {self.target.parent}")
        self._require_free_target(self._load(overwrite=overwrite), overwrite=overwrite)
        self._rows = self._lock()
        saved = self._load(overwrite=overwrite)  # again, as nothing changes it from now on
        self._require_free_target(saved, overwrite=overwrite)
        size = self._rows.seek(0, os.SEEK_END)
        moved = saved is not None and saved.complete and size < saved.size and self.target.exists()
        if saved is None or (moved and overwrite):
            self._rows.truncate(0)
            self._write(header)
            self.save(Progress(size=len(header)))
            return False
        self.moved = moved
        if size < saved.size and not self.moved:
            raise UsageError(
                f"{self.rows_path} has {size} bytes, but {self._state_path.name} counts "
                f"{saved.size}: the file was changed",
                f"delete {self._state_path} to begin again",
            )
        self._rows.truncate(min(size, saved.size))
        self._rows.seek(0, os.SEEK_END)
        self.progress = saved
        return True

    def append(
        self, rows: bytes, count: int, cursor: str | None, newest: datetime | None = None
    ) -> None:
        """Add a page of *count* rows, after which the listing continues at *cursor*.

        *newest* is the time of its first item.
        """
        time = newest.isoformat() if newest is not None else None
        self._write(rows)
        self.save(
            Progress(
                cursor=cursor,
                size=self.progress.size + len(rows),
                rows=self.progress.rows + count,
                pages=self.progress.pages + 1,
                newest=self.progress.newest or time,
                complete=cursor is None,
            )
        )

    def save(self, progress: Progress) -> None:
        """Replace the state file."""
        state = {
            "version": _VERSION,
            "command": self._command,
            "arguments": self._arguments,
            "progress": attrs.asdict(progress),
        }
        temporary = self._state_path.with_name(f"{self._state_path.name}.new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(state, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._state_path)
        self._sync_folder()
        self.progress = progress

    def finish(self, result: Path) -> None:
        """Move *result*, which has all rows, to the target, and remove the other files."""
        if sys.platform == "win32":  # which cannot rename a file that is open
            self.close()
        if not self.moved:
            result.replace(self.target)
            self._sync_folder()
        # The state is last: without it, a rows file that is left over is not looked at.
        for path in (self.rows_path, self._state_path):
            path.unlink(missing_ok=True)
        self.close()

    def discard_if_empty(self) -> bool:
        """Remove the files if they have no rows. Return whether they had none."""
        if self.progress.rows:
            return False
        if sys.platform == "win32":  # which cannot remove a file that is open
            self.close()
        for path in (self.rows_path, self._state_path):
            path.unlink(missing_ok=True)
        self.close()
        return True

    def close(self) -> None:
        """Close the rows file, which releases the lock."""
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, rows: bytes) -> None:
        file = cast("BinaryIO", self._rows)
        try:
            file.write(rows)
            file.flush()
        except OSError as error:  # such as a full disk
            error.filename = error.filename or str(self.rows_path)
            raise
        os.fsync(file.fileno())  # the state must never count rows that the disk does not have

    def _load(self, *, overwrite: bool) -> Progress | None:
        """Return the progress of an unfinished export with the same arguments."""
        try:
            text = self._state_path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            state = cast("dict[str, Any]", json.loads(text))
            arguments, progress = state["arguments"], Progress(**state["progress"])
            version = state["version"]
        except (ValueError, TypeError, KeyError):
            raise UsageError(
                f"{self._state_path} is not the state of an export",
                f"delete {self._state_path} to begin again",
            ) from None
        if version == _VERSION and arguments == self._arguments:
            return progress
        if overwrite or not (progress.rows or progress.complete):
            return None
        difference, hint = self._difference(arguments, state.get("command"))
        raise UsageError(
            f"{self._state_path} is of an unfinished export with {difference}; --overwrite begins "
            "again",
            hint,
        )

    def _difference(self, saved: Any, command: object) -> tuple[str, str]:
        """Return what differs from the arguments of an unfinished export, and how to finish it."""
        if isinstance(command, str) and command and command != self._command:
            return "other arguments", f"to finish it: {command}"
        arguments = cast("dict[str, Any]", saved) if isinstance(saved, dict) else {}
        server = arguments.get("base_url")
        if isinstance(server, str) and server != self._arguments.get("base_url"):
            return f"the server {server}", f"--base-url {server} finishes it"
        return "the columns of another version", ""

    def _require_free_target(self, saved: Progress | None, *, overwrite: bool) -> None:
        finished = saved is not None and saved.complete
        if self.target.exists() and not overwrite and not finished:
            raise UsageError(f"{self.target} exists", "--overwrite replaces it")

    def _lock(self) -> BinaryIO:
        file = self.rows_path.open("ab+")
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # An export that ends right now has renamed or removed the file that this locked.
                is_current = os.path.samestat(os.fstat(file.fileno()), self.rows_path.stat())
            except (BlockingIOError, FileNotFoundError):
                is_current = False
            if not is_current:
                file.close()
                raise UsageError(f"another export writes to {self.target}")
        return file

    def _sync_folder(self) -> None:
        """Make renamed files survive a power failure, on systems that can sync a folder."""
        with suppress(OSError):
            descriptor = os.open(self.target.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
