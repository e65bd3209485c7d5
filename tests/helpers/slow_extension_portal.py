"""The fleet portal, started as a user would, with a slow way to one of its scripts."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from examples.fleet_portal import __main__, app

#: Long enough for a browser to run the script before this one, and what that has scheduled.
SECONDS = 0.5


class SlowFiles(StaticFiles):
    """Serves ``hx-sse.min.js`` later than all other files."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file."""
        if path.endswith("hx-sse.min.js"):
            await asyncio.sleep(SECONDS)
        return await super().get_response(path, scope)


if __name__ == "__main__":
    with patch.object(app, "StaticFiles", SlowFiles):
        __main__.main()
