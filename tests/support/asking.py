"""Asks the public application in memory, without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from shyraq_collector.disclose.api import build
from shyraq_collector.disclose.reader import Reader
from support.clock import FakePace


@asynccontextmanager
async def asking(
    reader: Reader, pace: FakePace | None = None, *, app: FastAPI | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application over a reader."""
    transport = httpx.ASGITransport(
        app=app or build(reader, pace or FakePace()), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://shyraq.test") as client:
        yield client


async def ask(reader: Reader, path: str, **headers: str) -> httpx.Response:
    """One GET; header names are written with underscores."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with asking(reader) as client:
        return await client.get(path, headers=sent)


async def ask_json(reader: Reader, path: str) -> Any:  # noqa: ANN401 - whatever the API answers
    """The value of one answer."""
    response = await ask(reader, path)
    assert response.status_code == 200, response.text
    return response.json()
