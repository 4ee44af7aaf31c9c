"""What the collector says, read as anyone may read it: its HTTP API and its command line.

Incidents and their timelines come from `/api/v1`, polled. Verdicts come from the operator's
`shyraq-collector query verdicts --json` beside the running collector. Nothing here looks into the
ledger.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from shyraq_demo.account import Judged, Said
from shyraq_demo.errors import WorldError
from shyraq_demo.fleet import page, pages
from shyraq_demo.story import Story
from shyraq_wire.moments import parse_moment

POLL_S: Final = 0.5
_PHASES: Final = ("open", "restored", "closed", "dismissed")
_PATIENCE_S: Final = 30.0
_Query = list[tuple[str, str | int | float | bool | None]]


class Listener:
    """Reads one collector; remembers every entry it has heard, in the order of hearing."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Begin with nothing heard.

        Args:
            client: With the collector's address as its base.
        """
        self._client = client
        self._heard: dict[tuple[str, int], Said] = {}

    @property
    def said(self) -> tuple[Said, ...]:
        """Everything heard so far."""
        return tuple(self._heard.values())

    async def listen(self) -> list[Said]:
        """What is new since the last call, by publication.

        Raises:
            WorldError: The collector answers with an error.
        """
        ids = []
        cursor: str | None = None
        while True:
            query: _Query = [("phase", phase) for phase in _PHASES]
            query += [("limit", 100), *([("cursor", cursor)] if cursor else [])]
            found = await self._get("/api/v1/incidents", query)
            ids += [str(incident["id"]) for incident in found["incidents"]]
            cursor = found["next"]
            if cursor is None:
                break
        new: list[Said] = []
        for incident in ids:
            timeline = (await self._get(f"/api/v1/incidents/{incident}", []))["timeline"]
            new += [said for entry in timeline if (said := _said(entry)) not in self.said]
        new.sort(key=lambda said: (said.published_at_ms, said.incident, said.number))
        self._heard.update(((said.incident, said.number), said) for said in new)
        return new

    async def wait(self) -> None:
        """Return once the collector serves.

        Raises:
            WorldError: It does not within half a minute.
        """
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    with suppress(httpx.ConnectError):
                        await self._client.get("/api/v1/health")
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise WorldError(f"the collector serves nothing at {self._client.base_url}") from error

    async def status(self) -> Mapping[str, Any]:
        """The state words now.

        Raises:
            WorldError: The collector answers with an error.
        """
        return await self._get("/api/v1/status", [])

    async def health(self) -> Mapping[str, Any]:
        """How the collector itself is.

        Raises:
            WorldError: The collector answers with an error.
        """
        return await self._get("/api/v1/health", [])

    async def _get(self, path: str, query: _Query) -> dict[str, Any]:
        try:
            try:
                answer = await self._client.get(path, params=query)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                # We were late, and the server had closed the idle connection: a new one will do.
                answer = await self._client.get(path, params=query)
        except httpx.TransportError as error:
            raise WorldError(f"the collector does not answer at {path}: {error!r}") from error
        if answer.status_code != httpx.codes.OK:
            raise WorldError(f"the collector says {answer.status_code} at {path}: {answer.text}")
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def listener(at: tuple[str, int]) -> AsyncIterator[Listener]:
    """A listener at a collector's address."""
    base = f"http://{at[0]}:{at[1]}"
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=_PATIENCE_S) as client:
        yield Listener(client)


async def hear(ear: Listener, on_said: Callable[[Said], None]) -> None:
    """Listen until cancelled; a collector that does not serve yet is waited for.

    Args:
        ear: The listener.
        on_said: Called for each new entry.

    Raises:
        WorldError: The collector answers with an error.
    """
    await ear.wait()
    while True:
        for said in await ear.listen():
            on_said(said)
        await asyncio.sleep(POLL_S)


async def ask_verdicts(story: Story, configuration: Path) -> tuple[Judged, ...]:
    """Every verdict of a run, as the command line gives them.

    Args:
        story: For the names of sites.
        configuration: The collector's file.

    Raises:
        WorldError: The command fails.
    """
    rows = await _command("query", "verdicts", "--config", str(configuration), "--json")
    names = {page(name): name for name in pages(story)}
    return tuple(
        Judged(
            node=str(row["node"]),
            isp=str(row["isp"]),
            site=names[str(row["target"])],
            verdict=str(row["state"]),
            at_ms=int(row["at_ms"]),
        )
        for row in rows
        if row["target"] in names
    )


async def _command(*arguments: str) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shyraq_collector",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        raise WorldError(f"shyraq-collector {arguments[0]}: {err.decode(errors='replace')}")
    found: list[dict[str, Any]] = json.loads(out)
    return found


def _said(entry: Mapping[str, Any]) -> Said:
    scope = entry["scope"]
    return Said(
        incident=entry["incident"],
        number=entry["number"],
        published_at_ms=parse_moment(entry["published_at"]),
        kind=entry["kind"],
        state=entry["state"],
        level=scope["level"],
        isps=frozenset(scope["isps"]),
        regions=frozenset(scope["regions"]),
        access=frozenset(scope["access"]),
        exempt=frozenset(scope["exempt_isps"]),
        sites=frozenset(urlsplit(target).hostname or target for target in scope["targets"]),
    )
