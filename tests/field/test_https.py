"""The web server of deploy/https, run: a real nginx before the real API."""

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from shyraq_collector.disclose.api import build
from support.authority import Authority
from support.broker import free_port
from support.clock import FakePace
from support.scenes import SCENES, played

SHIPPED = Path(__file__).parents[2] / "deploy/https/nginx.conf"
NAME = "shyraq.example"


@dataclass(frozen=True, slots=True)
class Front:
    """A web server that runs."""

    clear: str
    secure: str
    trust: ssl.SSLContext
    directory: Path

    def client(self) -> httpx.AsyncClient:
        """Trusts the test's authority."""
        return httpx.AsyncClient(verify=self.trust, trust_env=False, headers={"Host": NAME})


def configuration(directory: Path, *, api: int, clear: int, secure: int) -> str:
    """The shipped file with ports and paths of the test, inside a smallest nginx.conf."""
    changes = {
        "listen 80;": f"listen 127.0.0.1:{clear};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{secure} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "/etc/letsencrypt/live/shyraq.example": str(directory),
        "/var/log/nginx": str(directory),
        "127.0.0.1:8080": f"127.0.0.1:{api}",
    }
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    folders = "".join(
        f"{kind}_temp_path {directory}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\npid {directory}/pid;\nerror_log {directory}/error.log;\n"
        f"events {{}}\nhttp {{\n{folders}{text}\n}}\n"
    )


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """The API with a scene of an outage, nginx before it."""
    authority = Authority()
    leaf = authority.leaf(NAME, "127.0.0.1")
    (tmp_path / "fullchain.pem").write_bytes(leaf.pem)
    (tmp_path / "privkey.pem").write_bytes(
        leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    api, clear, secure = free_port(), free_port(), free_port()
    app = build(played(next(iter(SCENES))), FakePace())
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", api, log_config=None, lifespan="off"))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve())
    file = tmp_path / "nginx.conf"
    file.write_text(configuration(tmp_path, api=api, clear=clear, secure=secure))
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert program is not None
    with (tmp_path / "out").open("wb") as out:
        web = await asyncio.create_subprocess_exec(
            program, "-e", str(tmp_path / "error.log"), "-c", str(file), stdout=out, stderr=out
        )
    trust = ssl.create_default_context(cadata=authority.issued.pem.decode())
    trust.check_hostname = False
    made = Front(f"http://127.0.0.1:{clear}", f"https://127.0.0.1:{secure}", trust, tmp_path)
    try:
        async with made.client() as client, asyncio.timeout(20):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{made.secure}/api/v1/health")).status_code == 200:
                        break
                assert web.returncode is None, (tmp_path / "out").read_text()
                await asyncio.sleep(0.05)
        yield made
    finally:
        if web.returncode is None:
            web.terminate()
        await web.wait()
        server.should_exit = True
        await serving


async def test_the_api_and_the_page_are_served_over_tls(front: Front) -> None:
    """As they are, with one header more."""
    async with front.client() as client:
        page = await client.get(f"{front.secure}/?lang=kk")
        status = await client.get(f"{front.secure}/api/v1/status")
    assert page.status_code == status.status_code == 200
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    assert "content-security-policy" in page.headers
    assert status.headers["content-type"].startswith("application/json")


async def test_clear_text_is_sent_to_tls(front: Front) -> None:
    """Nobody reads in the clear."""
    async with front.client() as client:
        answer = await client.get(f"{front.clear}/incidents?lang=ru")
    assert answer.status_code == 301
    assert answer.headers["location"] == f"https://{NAME}/incidents?lang=ru"


async def test_events_leave_at_once(front: Front) -> None:
    """The first line arrives while the stream stays open: nothing is held back for a buffer."""
    async with (
        front.client() as client,
        asyncio.timeout(5),
        client.stream("GET", f"{front.secure}/api/v1/events") as stream,
    ):
        first = await anext(stream.aiter_text())
    assert first.startswith("retry: ")


async def test_no_address_of_a_reader_is_kept(front: Front) -> None:
    """Neither in an access log nor in the error log."""
    async with front.client() as client:
        await client.get(f"{front.secure}/")
        await client.get(f"{front.secure}/there-is-no-such-page")
    kept = [path for path in front.directory.glob("*.log") if b"127.0.0.1" in path.read_bytes()]
    assert kept == []


def test_the_readme_names_the_shipped_file() -> None:
    """The commands are those of this folder."""
    readme = (SHIPPED.parent / "README.md").read_text(encoding="utf-8")
    assert f"cp {SHIPPED.name} " in readme
