"""The authority's certificates, verified by the command openssl, and its file."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import RELEASED_AT
from gateway.authority.authority import Authority
from gateway.authority.certificate_names import CertificateNames, find_certificate_names
from gateway.authority.certificates import create_issuer, issue_leaf
from gateway.errors import StateError
from gateway.settings import Settings

HOSTS = ("sunmi-gateway-3a4f.local", "sunmi-gateway.local", "localhost")
NAMES = CertificateNames(HOSTS, ("192.168.1.20", "10.0.0.7", "169.254.3.3", "fd12::7", "127.0.0.1", "::1"))
NOW = RELEASED_AT + 86400 * 100


class Port:
    """Takes the place of the HTTPS port: it keeps the installed certificates as files, to verify them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, key: EllipticCurvePrivateKey, chain: Sequence[x509.Certificate]) -> None:
        assert key.public_key() == chain[0].public_key()
        for name, certificate in zip(("leaf", "issuing"), chain, strict=True):
            (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))

    def verify(self, root: bytes, *options: str) -> str:
        """Return what `openssl verify` says, as of the time NOW."""
        (self.folder / "root.pem").write_bytes(root)
        command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-attime", str(int(NOW)), *options]
        command += ["-CAfile", "root.pem", "-untrusted", "issuing.pem", "leaf.pem"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


@pytest.fixture
def port(tmp_path: Path) -> Port:
    return Port(tmp_path)


@pytest.mark.parametrize("host", HOSTS)
def test_openssl_accepts_every_name(tmp_path: Path, port: Port, host: str) -> None:
    authority = Authority.open(tmp_path, "sunmi-gateway-3a4f, shop 4711", NAMES)
    assert authority.renew(NAMES, NOW, port.install)
    assert port.verify(authority.root_pem, "-verify_hostname", host) == "leaf.pem: OK\n"
    assert "hostname mismatch" in port.verify(authority.root_pem, "-verify_hostname", "other.local")


@pytest.mark.parametrize("address", NAMES.addresses)
def test_openssl_accepts_every_address(tmp_path: Path, port: Port, address: str) -> None:
    authority = Authority.open(tmp_path, "sunmi-gateway-3a4f", NAMES)
    authority.renew(NAMES, NOW, port.install)
    assert port.verify(authority.root_pem, "-verify_ip", address) == "leaf.pem: OK\n"


@pytest.mark.parametrize(
    ("hosts", "addresses"),
    [
        (["www.example.com"], []),
        (["sunmi-gateway-9999.local"], []),
        (["local"], []),
        (["xsunmi-gateway.local"], []),
        (["localhost"], ["93.184.215.14"]),
        (["localhost"], ["172.32.0.1"]),
        (["localhost"], ["2001:db8::1"]),
    ],
)
def test_openssl_refuses_what_lies_outside_of_the_constraints(
    port: Port, hosts: list[str], addresses: list[str]
) -> None:
    issuer = create_issuer("sunmi-gateway-3a4f", HOSTS)
    leaf = issue_leaf(issuer, hosts, addresses, datetime.fromtimestamp(NOW, UTC))
    port.install(leaf.key, (leaf.certificate, issuer.certificate))
    assert "permitted subtree violation" in port.verify(issuer.root.public_bytes(Encoding.PEM))


def test_openssl_refuses_an_authority_below_the_issuing_one(tmp_path: Path, port: Port) -> None:
    issuer = create_issuer("sunmi-gateway-3a4f", HOSTS)
    leaf = issue_leaf(issuer, HOSTS, [], datetime.fromtimestamp(NOW, UTC))
    below = issue_leaf(
        type(issuer)(issuer.root, leaf.certificate, leaf.key), HOSTS, [], datetime.fromtimestamp(NOW, UTC)
    )
    port.install(below.key, (below.certificate, leaf.certificate))
    with (tmp_path / "issuing.pem").open("ab") as untrusted:
        untrusted.write(issuer.certificate.public_bytes(Encoding.PEM))
    assert "OK" not in port.verify(issuer.root.public_bytes(Encoding.PEM))


def test_the_certificates_as_browsers_want_them(tmp_path: Path, port: Port) -> None:
    authority = Authority.open(tmp_path, "sunmi-gateway-3a4f, shop 4711", NAMES)
    authority.renew(NAMES, NOW, port.install)
    leaf, issuing, root = (
        x509.load_pem_x509_certificate(text)
        for text in ((tmp_path / "leaf.pem").read_bytes(), (tmp_path / "issuing.pem").read_bytes(), authority.root_pem)
    )
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=398)
    assert "shop 4711" in authority.name
    for certificate in (root, issuing):
        assert certificate.extensions.get_extension_for_class(x509.NameConstraints).critical
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).critical
    assert x509.load_der_x509_certificate(authority.root_der) == root


def test_two_authorities_are_told_apart(tmp_path: Path) -> None:
    names = set()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        names.add(Authority.open(tmp_path / folder, "sunmi-gateway-0000", NAMES).name)
    assert len(names) == 2


def test_a_long_shop_key_is_cut(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path, f"sunmi-gateway-3a4f, shop {'9' * 90}", NAMES)
    assert len(authority.name) == 64
    assert authority.name.endswith(")")


def test_it_is_made_once_and_its_key_is_the_owners(tmp_path: Path) -> None:
    made = Authority.open(tmp_path, "first", NAMES)
    again = Authority.open(tmp_path, "second", CertificateNames(("other.local",), ()))
    assert (again.name, again.fingerprint) == (made.name, made.fingerprint)
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["authority.pem"]


def test_the_roots_key_is_nowhere(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path, "first", NAMES)
    text = authority.path.read_text()
    assert text.count("PRIVATE KEY-----") == 2  # begin and end of one
    public = subprocess.run(["openssl", "pkey", "-in", authority.path, "-pubout"], capture_output=True, check=True)
    root = subprocess.run(
        ["openssl", "x509", "-pubkey", "-noout"], input=authority.root_pem, capture_output=True, check=True
    )
    assert public.stdout != root.stdout


@pytest.mark.parametrize("spoil", [0, 100, 1200, -1])
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, spoil: int) -> None:
    (tmp_path / "other").mkdir()
    file, other = (Authority.open(folder, "first", NAMES).path for folder in (tmp_path, tmp_path / "other"))
    text = file.read_bytes()
    # Cut short, or one's certificates with the other's key.
    key_end = text.index(b"-----BEGIN CERT")
    damaged = other.read_bytes()[:key_end] + text[key_end:] if spoil < 0 else text[:spoil]
    file.write_bytes(damaged)
    with pytest.raises(StateError, match=r"authority\.pem: .* damaged; restore"):
        Authority.open(tmp_path, "third", NAMES)
    assert file.read_bytes() == damaged


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be written"):
        Authority.open(tmp_path / "missing", "first", NAMES)
    (tmp_path / "authority.pem").mkdir()
    with pytest.raises(StateError, match="cannot be read"):
        Authority.open(tmp_path, "first", NAMES)


def test_it_is_renewed_when_it_has_to_be_and_only_then(tmp_path: Path, port: Port) -> None:
    authority = Authority.open(tmp_path, "first", NAMES)
    day = 86400
    renewed = []
    for after in range(2 * 365):
        if authority.renew(NAMES, NOW + after * day, port.install):
            renewed.append(after)
        assert authority.leaf is not None
        left = authority.leaf.certificate.not_valid_after_utc.timestamp() - (NOW + after * day)
        assert left > 180 * day
    assert len(renewed) == 4
    assert not authority.renew(NAMES, NOW + after * day - 20 * day, port.install)  # a clock set back a little
    moved = CertificateNames(NAMES.hosts, ("192.168.7.7", "127.0.0.1"))
    assert authority.renew(moved, NOW + after * day, port.install)
    assert not authority.renew(moved, NOW + after * day, port.install)


@pytest.mark.parametrize("wrong", [0.0, 946684800.0, RELEASED_AT - 1, 4e9, 2e11])
def test_a_clock_that_jumps_leads_to_a_certificate_that_serves(tmp_path: Path, port: Port, wrong: float) -> None:
    authority = Authority.open(tmp_path, "first", NAMES)
    assert authority.renew(NAMES, wrong, port.install)
    assert not authority.renew(NAMES, wrong, port.install)
    if wrong < NOW:  # never set: valid from the release on, as the tills see it
        assert "OK" in port.verify(authority.root_pem)
    else:
        assert "not yet valid" in port.verify(authority.root_pem)
        assert authority.renew(NAMES, NOW, port.install)
        assert "OK" in port.verify(authority.root_pem)


def test_a_certificate_that_cannot_be_installed_is_issued_again(tmp_path: Path, port: Port) -> None:
    authority = Authority.open(tmp_path, "first", NAMES)

    def full(*_: object) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        authority.renew(NAMES, NOW, full)
    assert authority.leaf is None
    assert authority.renew(NAMES, NOW, port.install)


def test_a_name_that_came_later_is_told_and_left_out(
    tmp_path: Path, port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority.open(tmp_path, "first", NAMES)
    renamed = CertificateNames((*HOSTS, "till-server.local"), (*NAMES.addresses, "93.184.215.14"))
    for _ in range(2):
        authority.renew(renamed, NOW, port.install)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert "till-server.local" in told[0]
    assert "93.184.215.14" in told[0]
    assert port.verify(authority.root_pem, "-verify_hostname", HOSTS[0]) == "leaf.pem: OK\n"
    assert authority.split_permitted(renamed)[1] == ("93.184.215.14", "till-server.local")


@pytest.mark.parametrize(
    ("host", "certified"),
    [
        ("gateway-7", True),
        ("box.shop.example", True),
        ("store", False),
        ("com", False),
        ("local", False),
        ("under_score", False),
        ("192.168.1.9", False),
        ("-odd", False),
    ],
)
def test_names_that_would_permit_a_top_level_domain_are_left_out(host: str, certified: bool) -> None:
    settings = Settings.model_validate({"server": {"host": host}, "discovery": {"interfaces": ["lo"]}})
    names = find_certificate_names(settings, "sunmi-gateway-3a4f.local")
    assert (host in names.hosts) == certified
    assert names.hosts[:2] == ("sunmi-gateway-3a4f.local", "sunmi-gateway.local")
    assert "localhost" in names.hosts
    assert "127.0.0.1" in names.addresses
