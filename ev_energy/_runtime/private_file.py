"""A file that only its owner can read, replaced as a whole, with locks beside it."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, cast

import attrs

from ev_energy._runtime.file_lock import file_lock

if sys.platform == "win32":
    _OPEN_FLAGS: Final = os.O_BINARY | os.O_NOINHERIT
else:
    # Another user may have put a symbolic link or a named pipe there: neither follow nor wait.
    _OPEN_FLAGS: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@attrs.frozen
class FileContent:
    """What a file held when it was read."""

    body: bytes
    mode: int
    """Its permission bits."""


class PrivateFile:
    """A file that is replaced as a whole: at any moment it has the old content or the new one.

    That also holds if the process or the machine dies. Locks are files beside it that exist while
    they are held; the lock of a killed process is released.

    Every method raises an error of *error_type*, with a message that names the file.
    """

    # File operations run on the event loop, not in a thread: a few kilobytes at a time. So a
    # cancellation cannot separate the steps, no thread writes after the lock was released, and it
    # works while the interpreter shuts down.

    def __init__(self, path: str | os.PathLike[str], error_type: type[Exception]) -> None:
        given = cast("object", path)
        if not isinstance(given, str | os.PathLike):
            raise TypeError(f"path must be a str or a Path, not {type(given).__name__}")
        self.path: Final = Path(path).expanduser().absolute()
        self._new_path = self.path.with_name(f"{self.path.name}.new")
        self._error_type = error_type

    def lock(self, suffix: str) -> AbstractAsyncContextManager[None]:
        """Return the lock with *suffix*, exclusive among the processes of this machine.

        The folder of the file is created if it is missing, but no folder above that.
        """
        with self._file_errors("lock"):
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
        return file_lock(self.path.with_name(f"{self.path.name}.{suffix}"), self._error_type)

    def read(self) -> FileContent | None:
        """Return the content of the file, or None if there is no file."""
        with self._file_errors("read"):
            try:
                fd = os.open(self.path, os.O_RDONLY | _OPEN_FLAGS)
            except FileNotFoundError:
                return None
            try:
                mode = os.fstat(fd).st_mode
                if stat.S_ISDIR(mode):
                    raise self._error_type(f"{self.path} is a folder: pass the path of a file")
                if not stat.S_ISREG(mode):
                    raise self._error_type(f"{self.path} is not a regular file")
                with open(fd, "rb", closefd=False) as file:
                    return FileContent(file.read(), stat.S_IMODE(mode))
            finally:
                os.close(fd)

    def replace(self, body: bytes) -> None:
        """Write *body* to a second file and rename it over the first. It is on disk then."""
        with self._file_errors("write"):
            self._new_path.unlink(missing_ok=True)  # left by a process that died here
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN_FLAGS
                fd = os.open(self._new_path, flags, 0o600)
                try:
                    while body:
                        body = body[os.write(fd, body) :]
                    os.fsync(fd)
                finally:
                    os.close(fd)
                self._new_path.replace(self.path)
            except BaseException:
                with suppress(OSError):
                    self._new_path.unlink()
                raise
            if sys.platform != "win32":  # Windows cannot open a folder
                self._sync_folder()

    def _sync_folder(self) -> None:
        """Sync the folder: without that, the new name of the file may be lost in a crash."""
        fd = os.open(self.path.parent, os.O_RDONLY | _OPEN_FLAGS)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # unsupported by the file system
                raise
        finally:
            os.close(fd)

    @contextmanager
    def _file_errors(self, action: str) -> Generator[None]:
        """Convert ``OSError`` into an error that names the file."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            folder = self.path.parent
            if error.errno == errno.ELOOP:
                reason = "it is a symbolic link: give the path of the file itself"
            elif error.errno == errno.ENOENT and not folder.parent.exists():
                reason = f"the folder {folder} does not exist: create it"
            elif folder.exists() and not folder.is_dir():
                reason = f"{folder} is a file, and no folder"
            raise self._error_type(f"cannot {action} {self.path}: {reason}") from error
