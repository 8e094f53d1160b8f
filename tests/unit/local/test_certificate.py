"""The gateway's certificate is created, kept, and renewed before it expires."""

import datetime
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store

from infra.stack.gateway import certificate
from infra.stack.gateway.certificate import RENEW_DAYS, VALID_DAYS, ensure_certificate


@dataclass(frozen=True)
class Files:
    chain: Path
    authority: Path

    def ensure(self) -> None:
        ensure_certificate(self.chain, self.authority)

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.chain.read_bytes())

    @property
    def root(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.authority.read_bytes())

    @property
    def contents(self) -> tuple[bytes, bytes]:
        return self.chain.read_bytes(), self.authority.read_bytes()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path / "gateway" / "certificate.pem", tmp_path / "gateway" / "authority.pem")
    files.ensure()
    return files


@pytest.mark.parametrize(
    "name", [x509.DNSName("localhost"), *map(x509.IPAddress, map(ip_address, ["127.0.0.1", "::1"]))]
)
def test_a_client_that_trusts_the_authority_can_verify_it(files: Files, name: x509.DNSName | x509.IPAddress) -> None:
    verifier = PolicyBuilder().store(Store([files.root])).build_server_verifier(name)
    assert verifier.verify(files.certificate, []) == [files.certificate, files.root]


def test_it_names_this_machine_only(files: Files) -> None:
    names = files.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]


def test_the_file_with_the_key_is_private(files: Files) -> None:
    assert stat.S_IMODE(files.chain.stat().st_mode) == 0o600
    key = load_pem_private_key(files.chain.read_bytes().partition(b"-----END CERTIFICATE-----\n")[2], password=None)
    assert key.public_key() == files.certificate.public_key()
    assert b"PRIVATE" not in files.authority.read_bytes()


def test_it_is_kept_as_long_as_it_is_valid(files: Files) -> None:
    before = files.contents
    files.ensure()
    assert files.contents == before
    left = files.certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert left > datetime.timedelta(days=VALID_DAYS - 1)


def test_it_is_renewed_some_time_before_it_expires(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: Files
) -> None:
    monkeypatch.setattr(certificate, "VALID_DAYS", RENEW_DAYS - 1)
    old = Files(tmp_path / "old.pem", tmp_path / "old-authority.pem")
    old.ensure()
    monkeypatch.undo()
    before = old.contents
    old.ensure()
    assert not set(before) & set(old.contents)
    assert old.certificate.not_valid_after_utc > files.certificate.not_valid_before_utc


@pytest.mark.parametrize(
    "damage", ["no authority", "no certificate", "an empty certificate", "no certificate but text"]
)
def test_it_is_created_anew_if_a_file_is_missing_or_damaged(files: Files, damage: str) -> None:
    before = files.contents
    match damage:
        case "no authority":
            files.authority.unlink()
        case "no certificate":
            files.chain.unlink()
        case _:
            files.chain.write_text("rubbish" if "text" in damage else "")
    files.ensure()
    assert not set(before) & set(files.contents)
    files.certificate.verify_directly_issued_by(files.root)
