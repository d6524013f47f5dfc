"""The gateway's own certificate authority and its server certificate, kept in a folder (TLS on loopback).

Keys are ECDSA P-256 in files of mode 600. What is missing, unreadable, near its end or not of this
authority is made anew at the next start.
"""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bot.clock import SystemClock
from bot.model.errors import ConfigError
from bot.model.times import SECOND

CertificateKind = Literal["good", "wrong_name", "expired", "unknown"]

CA_LIFE: Final = timedelta(days=3650)
SERVER_LIFE: Final = timedelta(days=397)
RENEWED_BEFORE: Final = timedelta(days=30)
"""A certificate with less life than this is replaced at a start."""

_SKEW: Final = timedelta(days=1)
_NAMES: Final = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))
_WRONG_NAMES: Final = (x509.DNSName("elsewhere.invalid"),)


class Pair(NamedTuple):
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Tls(NamedTuple):
    """The listener's context, and the file of the authority that its clients have to trust."""

    context: ssl.SSLContext
    ca_file: Path


def prepare(folder: Path, kind: CertificateKind, now: datetime | None = None) -> Tls:
    """Certificates in `folder` for `now` (default: the host's time). Raises ConfigError when it cannot be written.

    `wrong_name` is good for another host alone, `expired` has ended, `unknown` comes from an authority that
    nobody trusts; `ca_file` is that of the good authority in every case.
    """
    now = now or datetime.fromtimestamp(SystemClock().host_now() // SECOND, UTC)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        ca_file = folder / "ca.pem"
        authority = _authority(folder, now)
        served, key_file = _served(folder, kind, authority, now)
    except OSError as problem:
        raise ConfigError(
            "paper gateway certificates",
            expected=f"a folder that can be written: {folder}",
            seen=str(problem),
            do="correct its owner or mode, or name another state folder",
        ) from problem
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(served, key_file)
    return Tls(context, ca_file)


def _authority(folder: Path, now: datetime) -> Pair:
    kept = _read(folder, "ca")
    if kept is not None and _lives(kept.certificate, now):
        return kept
    made = _signed("paper gateway authority", None, now, CA_LIFE)
    _write(folder, "ca", made)
    return made


def _served(folder: Path, kind: CertificateKind, authority: Pair, now: datetime) -> tuple[Path, Path]:
    """The files of the server's certificate; faulty ones are made at each start."""
    name = "server" if kind == "good" else f"server-{kind}"
    kept = _read(folder, name) if kind == "good" else None
    if kept is None or not _lives(kept.certificate, now) or not _issued_by(kept, authority):
        if kind == "unknown":
            authority = _signed("another authority", None, now, CA_LIFE)
        names = _WRONG_NAMES if kind == "wrong_name" else _NAMES
        begin = now - timedelta(days=60) if kind == "expired" else now
        life = timedelta(days=30) if kind == "expired" else SERVER_LIFE
        _write(folder, name, _signed("paper gateway", authority, begin, life, names))
    return folder / f"{name}.pem", folder / f"{name}-key.pem"


def _lives(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWED_BEFORE


def _issued_by(served: Pair, authority: Pair) -> bool:
    try:
        served.certificate.verify_directly_issued_by(authority.certificate)
        names = served.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return set(names.value) == set(_NAMES)


def _signed(
    name: str,
    authority: Pair | None,
    now: datetime,
    life: timedelta,
    names: tuple[x509.GeneralName, ...] = (),
) -> Pair:
    """A certificate signed by `authority`, or by itself as an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = key if authority is None else authority.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if authority is None else authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(_usage(authority=authority is None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(server, critical=False)
    return Pair(builder.sign(signer, hashes.SHA256()), key)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


def _read(folder: Path, name: str) -> Pair | None:
    """The kept pair, None when there is none that fits together."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{name}-key.pem").read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        return None
    return Pair(certificate, key)


def _write(folder: Path, name: str, pair: Pair) -> None:
    """The key first: a certificate without its key is never left behind."""
    key = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _put(folder / f"{name}-key.pem", key, 0o600)
    _put(folder / f"{name}.pem", pair.certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _put(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(file, content)
    finally:
        os.close(file)
    draft.replace(path)
