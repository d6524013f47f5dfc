"""One HTTP exchange with the venue: no proxies, no redirects, no cookies, no retries.

Request timeouts run on host time. What failed is told by kind, because only a connection that never
came about proves that nothing was sent.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bot.model.errors import ConfigError, UntrustedVenue

FailureKind = Literal["timeout", "reset", "connect"]

_MAX_ANSWER: Final = 16 * 1024 * 1024
_CONNECT_S: Final = 5.0
_CONNECTIONS: Final = 32


class RawReply(msgspec.Struct, frozen=True):
    """An HTTP answer as it came; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportFailure(Exception):
    """No HTTP answer. `connect`: no connection, nothing sent; `timeout` and `reset`: it may have arrived."""

    def __init__(self, kind: FailureKind, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind: FailureKind = kind


class UntrustedCertificate(TransportFailure):
    """The other side's certificate does not hold; nothing was sent. `reason` is the check that failed."""

    def __init__(self, reason: str) -> None:
        super().__init__("connect", f"certificate refused ({reason})")
        self.reason = reason

    def final(self, what: str) -> UntrustedVenue:
        """The failure for those who would wait in vain."""
        return UntrustedVenue(
            what,
            expected="a certificate for this address from an authority that is trusted",
            seen=self.reason,
            do="correct gateway.rest_url, or name the authority's file in gateway.ca_file",
        )


class Transport(Protocol):
    """What the REST client sends through."""

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> RawReply:
        """One transmission. Raises TransportFailure."""
        ...


def checked_base(url: str) -> str:
    """A base address fit to carry a credential: https, or http to this machine. Raises ConfigError."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url.rstrip("/")
    if parts.scheme == "http" and parts.hostname and _loopback(parts.hostname):
        return url.rstrip("/")
    raise ConfigError(
        "venue address", expected="https, or http to this machine", seen=url, do="correct the setting"
    )


class AiohttpTransport:
    """Kept-alive connections to one base address; the REST settings name it, never the hub's."""

    def __init__(self, base_url: str, tls: ssl.SSLContext | None = None) -> None:
        self._base = checked_base(base_url)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> RawReply:
        """One transmission of `body` to `path`. Raises TransportFailure."""
        limits = aiohttp.ClientTimeout(
            total=timeout_s, connect=None, sock_connect=min(timeout_s, _CONNECT_S), sock_read=None
        )
        try:
            async with self._open().request(
                method,
                self._base + path,
                data=body,
                headers=headers,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                chunks, size = [], 0
                async for chunk in response.content.iter_any():
                    size += len(chunk)
                    if size > _MAX_ANSWER:
                        raise TransportFailure("reset", f"an answer of more than {_MAX_ANSWER} bytes")
                    chunks.append(chunk)
                return RawReply(
                    response.status,
                    {name.lower(): value for name, value in response.headers.items()},
                    b"".join(chunks),
                )
        except aiohttp.ClientConnectorCertificateError as problem:
            raise UntrustedCertificate(certificate_problem(problem.certificate_error)) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as problem:
            raise TransportFailure("connect", type(problem).__name__) from None
        except TimeoutError:
            raise TransportFailure("timeout", f"no answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as problem:
            raise TransportFailure("reset", type(problem).__name__) from None

    async def close(self) -> None:
        """Close all connections; the transport can be used again afterwards."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(
                    limit=_CONNECTIONS, ssl=self._tls if self._tls is not None else True
                ),
            )
        return self._session


def trusted(ca_file: Path | None) -> ssl.SSLContext | None:
    """Trust in the authorities of a PEM file alone; None = those of the platform. Raises ConfigError."""
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as problem:
        raise ConfigError(
            "gateway.ca_file",
            expected="a readable file with certificates in PEM form",
            seen=f"{ca_file}: {type(problem).__name__}",
            do="correct the setting, or unset it to trust the platform's authorities",
        ) from problem


def certificate_problem(problem: Exception) -> str:
    """In words, why a certificate was refused."""
    return getattr(problem, "verify_message", "") or type(problem).__name__


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
