"""Tokens: what is believed, what is refused, and where keys come from."""

import asyncio
import base64
import contextlib
import json
import logging
import os
import stat
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from onsale.http.access.auth import ANONYMOUS, LEEWAY_SECONDS, Authenticator, Principal, issue_token
from onsale.http.access.jwks import Jwks
from onsale.http.access.keys import KeyFile, KeyNotFoundError, SharedKey, read_or_create_key
from onsale.http.call import Answer, Call

KEY = b"a shared key for tests that is long enough"
OTHER_KEY = b"another key for tests that is long enough too"


def call(token: str | None = None, header: str | None = None) -> Call:
    if token is not None:
        header = f"Bearer {token}"
    return Call("GET", "/events", "", {} if header is None else {"Authorization": header}, b"")


def claims(**changes: Any) -> dict[str, Any]:
    all_claims = {"sub": "u-1", "role": "user", "exp": int(time.time()) + 60} | changes
    return {name: value for name, value in all_claims.items() if value is not None}


def sign(key: Any = KEY, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)


def sign_raw(header: bytes, payload: bytes) -> str:
    """A rightly signed token of whatever bytes."""
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload)]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(b".".join(parts), KEY)
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def detail_of(answer: Principal | Answer) -> str:
    """The reason of a refusal, whose form is checked on the way."""
    assert isinstance(answer, Answer), answer
    body = json.loads(answer.body)
    assert (answer.status, answer.content_type, body["code"]) == (401, "application/problem+json", "unauthenticated")
    (challenge,) = [value for name, value in answer.headers if name == "WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    assert body["detail"].strip()
    return str(body["detail"])


class TestPrincipal:
    def test_a_user_acts_for_itself_alone(self) -> None:
        user = Principal("u-1", "user")
        assert user.may_act_for("u-1")
        assert not user.may_act_for("u-2")
        assert not (user.is_organiser)
        assert not (user.is_operator)
        assert not (user.may_refund)

    def test_a_service_acts_for_every_user_but_manages_no_events(self) -> None:
        service = Principal("shop", "service")
        assert service.may_act_for("u-1")
        assert service.may_refund
        assert not (service.is_organiser)
        assert not (service.is_operator)

    def test_an_organiser_manages_events_but_acts_for_no_user(self) -> None:
        organiser = Principal("o-1", "organiser")
        assert organiser.is_organiser
        assert organiser.may_refund
        assert not organiser.is_operator
        assert not organiser.may_act_for("u-1")
        assert not organiser.may_act_for("o-1")

    def test_an_operator_may_do_everything(self) -> None:
        operator = Principal("x", "operator")
        assert operator.may_act_for("u-1")
        assert operator.is_organiser
        assert operator.is_operator
        assert operator.may_refund

    def test_nobody_may_do_nothing(self) -> None:
        assert not ANONYMOUS.may_act_for("")
        assert not (ANONYMOUS.is_organiser)
        assert not (ANONYMOUS.is_operator)
        assert not (ANONYMOUS.may_refund)

    def test_idempotency_keys_of_different_callers_are_apart(self) -> None:
        callers = {Principal(sub, role).caller for sub in ("a", "b", "user:a") for role in ("user", "service")}
        assert len(callers) == 6


class TestSharedKeyTokens:
    @pytest.mark.parametrize("role", ["user", "service", "organiser", "operator"])
    def test_an_issued_token_is_believed(self, role: str) -> None:
        token = issue_token(KEY, role, "u-1", 60)
        assert Authenticator.with_key(KEY).authenticate(call(token)) == Principal("u-1", role)  # type: ignore[arg-type]

    def test_no_header_is_nobody(self) -> None:
        assert Authenticator.with_key(KEY).authenticate(call()) == Principal("", "anonymous")

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"exp": int(time.time()) - 1}, "expired"),
            ({"exp": None}, "exp"),
            ({"exp": "tomorrow"}, "exp"),
            ({"exp": 1e300}, "exp"),
            ({"exp": float("nan")}, ""),
            ({"nbf": int(time.time()) + LEEWAY_SECONDS + 3600}, "not valid yet"),
            ({"sub": None}, "sub"),
            ({"sub": ""}, "sub"),
            ({"sub": 7}, "sub"),
            ({"sub": "x" * 129}, "sub"),
            ({"sub": "\ud800"}, "not a token"),
            ({"role": None}, "role"),
            ({"role": "admin"}, "role"),
            ({"role": "anonymous"}, "role"),
            ({"role": ["operator"]}, "role"),
        ],
    )
    def test_wrong_claims_are_refused_by_name(self, changes: dict[str, Any], reason: str) -> None:
        token = sign_raw(b'{"alg":"HS256"}', json.dumps(claims(**changes)).encode())
        assert reason in detail_of(Authenticator.with_key(KEY).authenticate(call(token)))

    def test_clocks_may_differ_by_the_leeway(self) -> None:
        now = int(time.time())
        authenticator = Authenticator.with_key(KEY)
        for changes in ({"nbf": now + LEEWAY_SECONDS - 5}, {"sub": "x" * 128}):
            assert isinstance(authenticator.authenticate(call(sign(**changes))), Principal)

    def test_forged_tokens_are_refused(self) -> None:
        authenticator = Authenticator.with_key(KEY)
        header, payload, signature = sign().split(".")
        stronger = base64.urlsafe_b64encode(json.dumps(claims(role="operator")).encode()).rstrip(b"=").decode()
        assert "signature" in detail_of(authenticator.authenticate(call(sign(OTHER_KEY))))
        assert "signature" in detail_of(authenticator.authenticate(call(f"{header}.{stronger}.{signature}")))
        assert "signature" in detail_of(authenticator.authenticate(call(f"{header}.{payload}.")))

    @pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "HS512", "RS256"])
    def test_other_algorithms_are_refused(self, algorithm: str) -> None:
        token = sign_raw(json.dumps({"alg": algorithm}).encode(), json.dumps(claims()).encode())
        unsigned = token.rpartition(".")[0] + "."
        authenticator = Authenticator.with_key(KEY)
        assert "algorithm" in detail_of(authenticator.authenticate(call(token)))
        assert "algorithm" in detail_of(authenticator.authenticate(call(unsigned)))

    @pytest.mark.parametrize(
        "header",
        ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer x", "Bearer a.b.c", "Bearer ..", "Bearer \udcff.a.b",
         f"Token {sign()}", sign(), f"Bearer {sign()} ", f"Bearer {sign()}, {sign()}", "Bearer " + "a" * 9_000],
    )  # fmt: skip
    def test_what_is_no_token_is_refused(self, header: str) -> None:
        detail_of(Authenticator.with_key(KEY).authenticate(call(header=header)))

    def test_the_scheme_is_written_in_any_case(self) -> None:
        assert Authenticator.with_key(KEY).authenticate(call(header=f"bearer {sign()}")) == Principal("u-1", "user")

    def test_deeply_nested_json_is_refused(self) -> None:
        authenticator = Authenticator.with_key(KEY)
        detail_of(authenticator.authenticate(call(sign_raw(b"[" * 2_800, b"{}"))))
        detail_of(authenticator.authenticate(call(sign_raw(b'{"alg":"HS256"}', b"[" * 2_800))))

    @given(st.binary(max_size=80), st.binary(max_size=80))
    def test_no_rightly_signed_nonsense_raises(self, header: bytes, payload: bytes) -> None:
        authenticator = Authenticator.with_key(KEY)
        detail_of(authenticator.authenticate(call(sign_raw(header, payload))))
        detail_of(authenticator.authenticate(call(sign_raw(b'{"alg":"HS256"}', payload))))

    def test_audience_and_issuer_are_checked_where_configured(self) -> None:
        authenticator = Authenticator.with_key(KEY, audience="onsale", issuer="https://id.example")
        right = {"aud": ["shop", "onsale"], "iss": "https://id.example"}
        assert authenticator.authenticate(call(sign(**right))) == Principal("u-1", "user")
        for wrong in ({"aud": "shop"}, {"iss": "https://evil.example"}, {"aud": None}, {"iss": None}, {"aud": 7}):
            assert "not made for" in detail_of(authenticator.authenticate(call(sign_raw(
                b'{"alg":"HS256"}', json.dumps(claims(**(right | wrong))).encode()
            ))))  # fmt: skip
        assert Authenticator.with_key(KEY).authenticate(call(sign(**right))) == Principal("u-1", "user")

    def test_an_issued_token_carries_audience_and_issuer(self) -> None:
        token = issue_token(KEY, "user", "u-1", 60, audience="onsale", issuer="me")
        assert isinstance(
            Authenticator.with_key(KEY, audience="onsale", issuer="me").authenticate(call(token)), Principal
        )


class TestRemembering:
    def test_a_remembered_token_ends_with_its_expiry(self) -> None:
        now = time.time()
        times = [now]
        authenticator = Authenticator(SharedKey(KEY), ANONYMOUS, clock=lambda: times[0])
        token = sign(exp=int(now) + 60)
        for passed in (0, 1, 58):
            times[0] = now + passed
            assert isinstance(authenticator.authenticate(call(token)), Principal)
        times[0] = now + 60
        assert "expired" in detail_of(authenticator.authenticate(call(token)))
        assert "expired" in detail_of(authenticator.authenticate(call(token)))

    def test_a_token_is_verified_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        authenticator = Authenticator.with_key(KEY)
        token = sign()
        first = authenticator.authenticate(call(token))
        monkeypatch.setattr(jwt, "decode", lambda *_, **__: pytest.fail("verified again"))
        assert authenticator.authenticate(call(token)) == first

    def test_memory_is_bounded_and_keeps_what_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("onsale.http.access.auth.VERIFIED_MAX", 3)
        authenticator = Authenticator.with_key(KEY)
        often, *others = [sign(sub=f"u-{number}") for number in range(6)]
        authenticator.authenticate(call(often))
        used = authenticator._verified[f"Bearer {often}"]
        for token in others:
            authenticator.authenticate(call(token))
            authenticator.authenticate(call(often))
        assert len(authenticator._verified) == 3
        assert authenticator._verified[f"Bearer {often}"] is used, "it was never forgotten and verified again"

    def test_refusals_are_not_remembered(self) -> None:
        authenticator = Authenticator.with_key(KEY)
        for _ in range(3):
            detail_of(authenticator.authenticate(call(sign(OTHER_KEY, sub=uuid.uuid4().hex))))
        assert not authenticator._verified


class TestOpen:
    def test_everyone_without_a_token_is_the_local_operator(self, tmp_path: Path) -> None:
        for authenticator in (Authenticator.open(None), Authenticator.open(tmp_path / "jwt.key")):
            assert authenticator.is_open
            assert authenticator.authenticate(call()) == Principal("local", "operator")
        assert not Authenticator.with_key(KEY).is_open

    def test_a_credential_is_never_ignored(self, tmp_path: Path) -> None:
        for authenticator in (Authenticator.open(None), Authenticator.open(tmp_path / "jwt.key")):
            assert "no key" in detail_of(authenticator.authenticate(call(sign())))
            detail_of(authenticator.authenticate(call(header="Basic dXNlcjpwYXNz")))
            detail_of(authenticator.authenticate(call(header="")))

    def test_a_key_file_that_appears_changes_and_goes(self, tmp_path: Path) -> None:
        path = tmp_path / "jwt.key"
        authenticator = Authenticator.open(path)
        detail_of(authenticator.authenticate(call(sign())))
        path.write_bytes(KEY + b"\n")
        path.chmod(0o600)
        assert authenticator.authenticate(call(sign())) == Principal("u-1", "user")
        path.write_bytes(OTHER_KEY)
        assert authenticator.authenticate(call(sign(OTHER_KEY))) == Principal("u-1", "user")
        assert "signature" in detail_of(authenticator.authenticate(call(sign()))), (
            "what the old key signed is forgotten"
        )
        path.unlink()
        assert "no key" in detail_of(authenticator.authenticate(call(sign(OTHER_KEY, sub="u-2"))))

    def test_an_unusable_key_file_refuses_tokens_and_says_why(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "jwt.key"
        path.write_bytes(b"short")
        detail_of(Authenticator.open(path).authenticate(call(sign(b"short" * 8))))
        assert f"{path}: The JWT key has 5 bytes" in caplog.text


class TestKeys:
    @pytest.mark.parametrize("key", [b"", b"short", b"x" * 31])
    def test_weak_keys_are_refused(self, key: bytes) -> None:
        for use in (Authenticator.with_key, SharedKey, lambda key: issue_token(key, "user", "u-1", 60)):
            with pytest.raises(ValueError, match=r"needs at least 32.*openssl rand"):
                use(key)

    def test_a_public_key_is_no_shared_key(self) -> None:
        public = rsa.generate_private_key(65537, 2048).public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(ValueError, match="ONSALE_JWKS_URL"):
            Authenticator.with_key(pem)

    @pytest.mark.parametrize(
        ("role", "sub", "lifetime_seconds"),
        [("admin", "u-1", 60), ("anonymous", "u-1", 60), ("user", "", 60), ("user", "x" * 129, 60), ("user", "u", 0)],
    )
    def test_tokens_that_would_be_refused_are_not_issued(self, role: str, sub: str, lifetime_seconds: int) -> None:
        with pytest.raises(ValueError, match=r"role|sub|lifetime"):
            issue_token(KEY, role, sub, lifetime_seconds)

    def test_a_key_is_created_once_and_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "jwt.key"
        key, created = read_or_create_key(path)
        assert created
        assert len(base64.b64decode(key)) == 32
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_or_create_key(path) == (key, False)
        assert [file.name for file in tmp_path.iterdir()] == ["jwt.key"]
        assert Authenticator.open(path).authenticate(call(issue_token(key, "user", "u-1", 60))) == Principal(
            "u-1", "user"
        )

    def test_whoever_comes_second_gets_the_first_ones_key(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "jwt.key"
        link = os.link

        def other_is_faster(source: Path, target: Path) -> None:
            path.write_bytes(KEY)
            path.chmod(0o600)
            link(source, target)

        monkeypatch.setattr(os, "link", other_is_faster)
        assert read_or_create_key(path) == (KEY, False)
        assert [file.name for file in tmp_path.iterdir()] == ["jwt.key"]

    def test_a_key_others_can_read_is_used_with_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "jwt.key"
        path.write_bytes(b"  " + KEY + b"\n")
        path.chmod(0o644)
        assert read_or_create_key(path) == (KEY, False)
        assert f"chmod 600 {path}" in caplog.text

    def test_files_that_are_no_key_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "short").write_bytes(b"short")
        (tmp_path / "long").write_bytes(b"x" * 5_000)
        for name in ("short", "long"):
            with pytest.raises(ValueError, match=str(tmp_path / name)):
                read_or_create_key(tmp_path / name)

    def test_a_key_file_is_read_again_only_when_it_changed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "jwt.key"
        read_or_create_key(path)
        keys = KeyFile(path)
        first = keys.key_for("")
        monkeypatch.setattr("onsale.http.access.keys.read_key", lambda _: pytest.fail("read again"))
        assert keys.key_for("") is first


class Provider:
    """An identity provider's key set, served for real."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.status = 200
        self.body: bytes | None = None
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        self.was_asked.set()
        if self.status == 302:
            raise web.HTTPFound("/elsewhere")
        if self.body is not None:
            return web.Response(body=self.body, status=self.status)
        return web.json_response({"keys": self.keys}, status=self.status)

    async def answer_elsewhere(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": self.keys})

    def publish(self, private: Any, kid: str | None = "k-1", **changes: Any) -> None:
        public = private.public_key()
        algorithms = jwt.algorithms
        kind = {
            rsa.RSAPublicKey: algorithms.RSAAlgorithm,
            ec.EllipticCurvePublicKey: algorithms.ECAlgorithm,
            ed25519.Ed25519PublicKey: algorithms.OKPAlgorithm,
        }
        (algorithm,) = [found for base, found in kind.items() if isinstance(public, base)]
        key = algorithm.to_jwk(public, as_dict=True) | {"kid": kid} | changes
        self.keys.append({name: value for name, value in key.items() if value is not None})


@contextlib.asynccontextmanager
async def serve() -> AsyncIterator[Provider]:
    provider = Provider()
    application = web.Application()
    application.router.add_get("/jwks", provider.answer)
    application.router.add_get("/elsewhere", provider.answer_elsewhere)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    try:
        yield provider
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def trusting(provider: Provider, **options: Any) -> AsyncIterator[Authenticator]:
    authenticator = Authenticator(Jwks(provider.url, **options), ANONYMOUS)
    await authenticator.start()
    try:
        yield authenticator
    finally:
        await authenticator.close()


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


class TestJwks:
    async def test_tokens_by_every_kind_of_key(self) -> None:
        async with serve() as provider:
            for kid, key in (("r", RSA_KEY), ("e", EC_KEY), ("d", ED_KEY)):
                provider.publish(key, kid)
            async with trusting(provider) as authenticator:
                assert authenticator.authenticate(call()) == ANONYMOUS
                for kid, key, algorithm in (("r", RSA_KEY, "RS256"), ("e", EC_KEY, "ES256"), ("d", ED_KEY, "EdDSA")):
                    token = sign(key, algorithm, {"kid": kid})
                    assert authenticator.authenticate(call(token)) == Principal("u-1", "user")

    async def test_the_algorithm_is_the_keys_not_the_tokens(self) -> None:
        """A public key, which everyone knows, must never pass as a shared secret."""
        async with serve() as provider:
            provider.publish(RSA_KEY)
            async with trusting(provider) as authenticator:
                pem = RSA_KEY.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
                header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k-1"}').rstrip(b"=")
                payload = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
                signed = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
                    header + b"." + payload, pem
                )
                forged = b".".join([header, payload, base64.urlsafe_b64encode(signed).rstrip(b"=")]).decode()
                assert "algorithm" in detail_of(authenticator.authenticate(call(forged)))
                for algorithm in ("RS512", "PS256"):
                    token = sign(RSA_KEY, algorithm, {"kid": "k-1"})
                    assert "algorithm" in detail_of(authenticator.authenticate(call(token)))

    async def test_keys_that_must_not_be_used_are_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        secret = base64.urlsafe_b64encode(KEY).decode()
        async with serve() as provider:
            provider.publish(EC_KEY, "good")
            provider.publish(RSA_KEY, "for-encryption", use="enc")
            provider.publish(RSA_KEY, "for-another", alg="PS256")
            provider.publish(rsa.generate_private_key(65537, 1024), "small")
            provider.publish(ec.generate_private_key(ec.SECP384R1()), "curve")
            provider.publish(EC_KEY, "private", d="AAAA")
            provider.publish(ED_KEY, "broken", x="!")
            provider.publish(ED_KEY, "good")
            provider.keys += [{"kty": "oct", "k": secret, "kid": "shared"}, {}, None, "x", {"kid": [], "kty": {}}]
            async with trusting(provider) as authenticator:
                assert isinstance(authenticator.authenticate(call(sign(EC_KEY, "ES256", {"kid": "good"}))), Principal)
                assert "not known" in detail_of(authenticator.authenticate(call(sign(KEY, "HS256", {"kid": "shared"}))))
                rsa_token = sign(RSA_KEY, "RS256", {"kid": "for-encryption"})
                assert "not known" in detail_of(authenticator.authenticate(call(rsa_token)))
            assert "'small' has 1024 bits" in caplog.text
            assert "publishes the private part of key 'private'" in caplog.text
            assert caplog.text.count("is left out") == len(provider.keys) - 1

    async def test_a_token_needs_no_key_id_where_there_is_one_key(self) -> None:
        async with serve() as provider:
            provider.publish(ED_KEY, None)
            async with trusting(provider) as authenticator:
                assert isinstance(authenticator.authenticate(call(sign(ED_KEY, "EdDSA"))), Principal)
                assert "not known" in detail_of(authenticator.authenticate(call(sign(ED_KEY, "EdDSA", {"kid": "x"}))))

    async def test_an_unknown_key_is_fetched_soon_and_old_ones_are_forgotten(self) -> None:
        async with serve() as provider:
            provider.publish(EC_KEY, "old")
            async with trusting(provider, spacing_seconds=0.01) as authenticator:
                old, new = sign(EC_KEY, "ES256", {"kid": "old"}), sign(ED_KEY, "EdDSA", {"kid": "new"})
                assert isinstance(authenticator.authenticate(call(old)), Principal)
                provider.keys.clear()
                provider.publish(ED_KEY, "new")
                assert "not known" in detail_of(authenticator.authenticate(call(new)))
                async with asyncio.timeout(5):
                    while isinstance(authenticator.authenticate(call(new)), Answer):
                        provider.was_asked.clear()
                        await provider.was_asked.wait()
                assert "not known" in detail_of(authenticator.authenticate(call(old)))

    async def test_unknown_keys_cannot_make_us_ask_all_the_time(self) -> None:
        async with serve() as provider:
            provider.publish(EC_KEY, "old")
            async with trusting(provider, spacing_seconds=0.2) as authenticator:
                provider.was_asked.clear()
                begun = time.monotonic()
                while not provider.was_asked.is_set():
                    detail_of(authenticator.authenticate(call(sign(EC_KEY, "ES256", {"kid": uuid.uuid4().hex}))))
                    await asyncio.sleep(0)
                assert time.monotonic() - begun > 0.15
                assert provider.asked == 2

    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (500, None, "answered 500"),
            (302, None, "answered 302"),
            (200, b"<html>", "malformed"),
            (200, b"[]", "no key set"),
            (200, b'{"keys":{}}', "no key set"),
            (200, b'{"keys":[]}', "no key for"),
            (200, b" " * (1 << 20) + b" ", "more than"),
        ],
    )
    async def test_tokens_are_refused_until_keys_can_be_fetched(
        self, status: int, body: bytes | None, reason: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with serve() as provider:
            provider.status, provider.body = status, body
            async with trusting(provider, spacing_seconds=0.01) as authenticator:
                token = sign(EC_KEY, "ES256", {"kid": "k-1"})
                assert "could not be fetched" in detail_of(authenticator.authenticate(call(token)))
                assert reason in caplog.text
                assert "tokens are refused meanwhile" in caplog.text
                provider.status, provider.body = 200, None
                provider.publish(EC_KEY)
                async with asyncio.timeout(5):
                    while isinstance(authenticator.authenticate(call(token)), Answer):
                        provider.was_asked.clear()
                        await provider.was_asked.wait()

    async def test_known_keys_outlive_a_provider_that_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        async with serve() as provider:
            provider.publish(EC_KEY)
            async with trusting(provider, refresh_seconds=0.01, spacing_seconds=0) as authenticator:
                provider.status = 503
                caplog.set_level(logging.ERROR)
                async with asyncio.timeout(5):
                    while "1 keys known before stay valid" not in caplog.text:
                        provider.was_asked.clear()
                        await provider.was_asked.wait()
                token = sign(EC_KEY, "ES256", {"kid": "k-1"})
                assert authenticator.authenticate(call(token)) == Principal("u-1", "user")

    async def test_an_unreachable_provider_is_logged_and_nothing_hangs(self, caplog: pytest.LogCaptureFixture) -> None:
        async with serve() as provider:
            url = provider.url
        authenticator = Authenticator.with_jwks(url)
        await authenticator.start()
        try:
            assert url in caplog.text
            assert isinstance(authenticator.authenticate(call(sign())), Answer)
        finally:
            await authenticator.close()

    def test_urls_are_checked(self, caplog: pytest.LogCaptureFixture) -> None:
        for url in ("", "/jwks", "file:///etc/passwd", "ftp://id.example/jwks", "https://"):
            with pytest.raises(ValueError, match="JWKS URL"):
                Jwks(url)
        Jwks("http://id.example/jwks")
        assert "not https" in caplog.text

    def test_a_key_set_says_when_any_audience_is_accepted(self, caplog: pytest.LogCaptureFixture) -> None:
        Authenticator.with_jwks("https://id.example/jwks", audience="onsale")
        assert not caplog.text
        Authenticator.with_jwks("https://id.example/jwks")
        assert "configure an audience" in caplog.text

    def test_what_is_no_token_is_not_looked_up(self) -> None:
        with pytest.raises(jwt.PyJWTError):
            Jwks("https://id.example/jwks").key_for("x")
        with pytest.raises(KeyNotFoundError):
            Jwks("https://id.example/jwks").key_for(sign())


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost:3000", True),
        ("http://[::1]:8080", True),
        ("https://tickets.example", False),
        ("http://127.evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
        ("http://[::1", False),
    ],
)
def test_an_open_node_takes_no_orders_from_another_sites_page(origin: str, allowed: bool) -> None:
    """Browsers send a plain POST to 127.0.0.1 from any page; they name the page in Origin."""
    found = Authenticator.open().authenticate(Call("POST", "/booking", "", {"Origin": origin}, b"{}"))
    if allowed:
        assert found == Principal("local", "operator")
    else:
        assert isinstance(found, Answer)
        assert found.status == 403
