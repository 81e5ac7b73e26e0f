"""Where the outside is: the payment provider, the mail server, and which webhooks may be called.

Owns how the environment says so, and what is refused of it. Secrets come from the environment alone, and stand in no
log and no list of processes.
"""

import os

import msgspec

from ..effects.payments import BULK_REFUNDS_A_SECOND
from ..effects.settings import OutsideSettings
from .access import NotConfigured

REFUNDS_A_SECOND_MAX = 100_000.0

_YES = {"1", "true", "yes", "on"}
_NO = {"", "0", "false", "no", "off"}


class Surroundings(msgspec.Struct, frozen=True):
    """`settings`: what the worker process is told. `webhook_secret`: what the payment provider's news are checked with,
    "" while none are taken. `mail_domain`: the sender's, "" while no mail is sent. `refunds_a_second`: at most, of
    cancelled events. `stripe_publishable_key`: what the storefront shows Stripe's own form with; "": it has none.
    """

    settings: OutsideSettings
    webhook_secret: str
    mail_domain: str
    refunds_a_second: float
    stripe_publishable_key: str = ""

    def __repr__(self) -> str:
        return "Surroundings(…)"


def read_surroundings() -> Surroundings:
    """Raises NotConfigured."""
    settings = _read_settings()
    secret = _variable("STRIPE_WEBHOOK_SECRET")
    if secret and not settings.stripe_key:
        raise NotConfigured("STRIPE_WEBHOOK_SECRET is set and STRIPE_API_KEY is not: set both, or neither.")
    domain = settings.mail_from.rpartition("@")[2].strip("> ") if settings.smtp_url else ""
    return Surroundings(settings, secret, domain, _refunds_a_second(), _publishable_key(settings))


def _publishable_key(settings: OutsideSettings) -> str:
    key = _variable("STRIPE_PUBLISHABLE_KEY")
    if key and not settings.stripe_key:
        raise NotConfigured("STRIPE_PUBLISHABLE_KEY is set and STRIPE_API_KEY is not: set both, or neither.")
    if key and not key.startswith("pk_"):
        raise NotConfigured(
            "STRIPE_PUBLISHABLE_KEY is no publishable key: one begins with pk_, and may be seen by all."
        )
    return key


def _refunds_a_second() -> float:
    value = _variable("ONSALE_REFUNDS_PER_SECOND") or str(BULK_REFUNDS_A_SECOND)
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number <= REFUNDS_A_SECOND_MAX:
        raise NotConfigured(f"ONSALE_REFUNDS_PER_SECOND is {value!r}; write a number above 0, such as 80.")
    return number


def _read_settings() -> OutsideSettings:
    key, base = _variable("STRIPE_API_KEY"), _variable("STRIPE_API_BASE").rstrip("/")
    if base and not base.startswith(("http://", "https://")):
        raise NotConfigured(f"STRIPE_API_BASE is {base!r}; write a URL such as https://api.stripe.com, or none.")
    if base and not key:
        raise NotConfigured("STRIPE_API_BASE is set and STRIPE_API_KEY is not: set the key, or neither.")
    if key.startswith("pk_"):
        raise NotConfigured("STRIPE_API_KEY is a publishable key (pk_…); set the secret one (sk_… or rk_…).")
    smtp_url, mail_from = _variable("ONSALE_SMTP_URL"), _variable("ONSALE_MAIL_FROM")
    if smtp_url:
        _check_mail(smtp_url, mail_from)
    elif mail_from:
        raise NotConfigured("ONSALE_MAIL_FROM is set and ONSALE_SMTP_URL is not: set the server, or neither.")
    public_url = _variable("ONSALE_PUBLIC_URL").rstrip("/")
    if public_url and not public_url.startswith(("http://", "https://")):
        raise NotConfigured(f"ONSALE_PUBLIC_URL is {public_url!r}; write a URL such as https://tickets.example.org.")
    return OutsideSettings(
        stripe_key=key,
        stripe_base=base,
        smtp_url=smtp_url,
        mail_from=mail_from,
        allow_private_webhooks=_flag("ONSALE_ALLOW_PRIVATE_WEBHOOKS"),
        public_url=public_url,
    )


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _flag(name: str) -> bool:
    value = _variable(name).lower()
    if value not in _YES | _NO:
        raise NotConfigured(f"{name} is {value!r}; write 1 or 0.")
    return value in _YES


def _check_mail(smtp_url: str, mail_from: str) -> None:
    from ..effects.mail.address import check_mail

    fault = check_mail(smtp_url, mail_from)
    if fault is not None:
        raise NotConfigured(fault)
