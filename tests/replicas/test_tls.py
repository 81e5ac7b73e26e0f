"""Certificate files that can be used, and a sentence for each kind that can't."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onsale.replicas.tls import BadCertificate, tls_contexts
from onsale.tests.replicas.certificates import Authority, key_bytes


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_with_an_authority_both_sides_must_show_a_certificate(authority: Authority):
    server, client = tls_contexts(*authority.files("a"))
    assert server.verify_mode is client.verify_mode is ssl.CERT_REQUIRED
    assert server.minimum_version is client.minimum_version is ssl.TLSVersion.TLSv1_3


def test_without_one_nobody_is_asked(authority: Authority):
    certificate, key, _ = authority.files("a")
    server, client = tls_contexts(certificate, key, None)
    assert server.verify_mode is client.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_missing_file_is_named(authority: Authority, which: int):
    files = list(authority.files("a"))
    files[which] = files[which].with_name("missing.pem")
    with pytest.raises(BadCertificate, match=r"missing\.pem can't be read: No such file or directory"):
        tls_contexts(*files)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_folder_is_no_certificate(authority: Authority, which: int):
    files = list(authority.files("a"))
    files[which] = authority.folder
    with pytest.raises(BadCertificate, match="can't be read: Is a directory"):
        tls_contexts(*files)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("content", [b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nxxx\n"])
def test_a_file_with_something_else_is_named(authority: Authority, which: int, content: bytes):
    files = list(authority.files("a"))
    files[which] = authority.folder / "wrong.pem"
    files[which].write_bytes(content)
    with pytest.raises(BadCertificate, match=r"wrong\.pem"):
        tls_contexts(*files)


def test_the_key_of_another_certificate_is_refused(authority: Authority):
    certificate, _, path = authority.files("a")
    _, other_key, _ = authority.files("b")
    with pytest.raises(BadCertificate, match="is not that of the certificate"):
        tls_contexts(certificate, other_key, path)


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(authority: Authority):
    certificate, key, path = authority.files("a")
    key.write_bytes(key_bytes(ec.generate_private_key(ec.SECP256R1()), b"secret"))
    with pytest.raises(BadCertificate, match="has a passphrase: give one that has none"):
        tls_contexts(certificate, key, path)
