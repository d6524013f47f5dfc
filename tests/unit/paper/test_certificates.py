"""The gateway's authority and certificates: made once, kept, renewed, private."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from bot.model.errors import ConfigError
from bot.paper.certificates import CA_LIFE, SERVER_LIFE, prepare

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def test_both_are_made_at_the_first_start_and_kept_at_the_next(tmp_path: Path) -> None:
    made = prepare(tmp_path / "tls", "good", NOW)
    assert made.ca_file == tmp_path / "tls" / "ca.pem"
    before = {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()}
    assert sorted(before) == ["ca-key.pem", "ca.pem", "server-key.pem", "server.pem"]
    prepare(tmp_path / "tls", "good", NOW + timedelta(days=100))
    assert {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()} == before


def test_keys_belong_to_their_owner_alone(tmp_path: Path) -> None:
    prepare(tmp_path / "tls", "good", NOW)
    for name in ("ca-key.pem", "server-key.pem"):
        assert stat.S_IMODE((tmp_path / "tls" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_the_certificate_is_for_this_machine_and_signed_by_the_authority(tmp_path: Path) -> None:
    prepare(tmp_path, "good", NOW)
    server, authority = certificate(tmp_path, "server"), certificate(tmp_path, "ca")
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert not server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_certificate_near_its_end_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    prepare(tmp_path, "good", NOW)
    old, authority = certificate(tmp_path, "server"), certificate(tmp_path, "ca")
    later = NOW + SERVER_LIFE - timedelta(days=29)
    prepare(tmp_path, "good", later)
    assert certificate(tmp_path, "ca") == authority
    assert certificate(tmp_path, "server").not_valid_after_utc > old.not_valid_after_utc
    certificate(tmp_path, "server").verify_directly_issued_by(authority)


def test_an_authority_near_its_end_takes_its_certificate_with_it(tmp_path: Path) -> None:
    prepare(tmp_path, "good", NOW)
    old = certificate(tmp_path, "ca")
    prepare(tmp_path, "good", NOW + CA_LIFE - timedelta(days=1))
    assert certificate(tmp_path, "ca") != old
    certificate(tmp_path, "server").verify_directly_issued_by(certificate(tmp_path, "ca"))


@pytest.mark.parametrize("damaged", ["ca.pem", "ca-key.pem", "server.pem", "server-key.pem"])
@pytest.mark.parametrize("how", ["missing", "junk"])
def test_what_is_damaged_is_made_anew(tmp_path: Path, damaged: str, how: str) -> None:
    prepare(tmp_path, "good", NOW)
    if how == "missing":
        (tmp_path / damaged).unlink()
    else:
        (tmp_path / damaged).write_bytes(b"junk")
    prepare(tmp_path, "good", NOW)
    certificate(tmp_path, "server").verify_directly_issued_by(certificate(tmp_path, "ca"))


def test_a_key_of_another_certificate_is_not_used(tmp_path: Path) -> None:
    prepare(tmp_path / "a", "good", NOW)
    prepare(tmp_path / "b", "good", NOW)
    (tmp_path / "a" / "server-key.pem").write_bytes((tmp_path / "b" / "server-key.pem").read_bytes())
    prepare(tmp_path / "a", "good", NOW)
    assert certificate(tmp_path / "a", "server") != certificate(tmp_path / "b", "server")


def test_faulty_certificates_leave_the_good_one_alone(tmp_path: Path) -> None:
    prepare(tmp_path, "good", NOW)
    good, authority = certificate(tmp_path, "server"), certificate(tmp_path, "ca")
    prepare(tmp_path, "expired", NOW)
    assert certificate(tmp_path, "server-expired").not_valid_after_utc < NOW
    certificate(tmp_path, "server-expired").verify_directly_issued_by(authority)
    prepare(tmp_path, "unknown", NOW)
    with pytest.raises(ValueError, match="Issuer"):
        certificate(tmp_path, "server-unknown").verify_directly_issued_by(authority)
    prepare(tmp_path, "wrong_name", NOW)
    names = certificate(tmp_path, "server-wrong_name").extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["elsewhere.invalid"]
    assert (certificate(tmp_path, "server"), certificate(tmp_path, "ca")) == (good, authority)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="a folder that can be written"):
        prepare(tmp_path / "file" / "tls", "good", NOW)
