"""The HTTP server inside the collector: uvicorn, without its own signals and logs."""

import contextlib
import socket

import uvicorn
from fastapi import FastAPI

from shyraq_collector.errors import ConfigError

_GRACE_S = 1
"""Streams are cut after this when the collector stops."""


def bind(host: str, port: int) -> socket.socket:
    """The listening socket; bound before anything else starts, so that a mistake shows at once.

    Raises:
        ConfigError: The address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(f"http.host, http.port: {host} port {port}: {error}") from error


async def serve(app: FastAPI, listening: socket.socket) -> None:
    """Serve until cancelled."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)
    # Signals belong to whoever runs the collector; several may share a process.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    await server.serve(sockets=[listening])
