"""Where the outside is, as the worker process is told.

Owns the shape alone; who reads it from where is not its business. It holds secrets, so it shows nothing of itself.
"""

import msgspec


class OutsideSettings(msgspec.Struct, frozen=True):
    stripe_key: str = ""  # "": Stripe is not used
    stripe_base: str = ""  # another address of its API than https://api.stripe.com
    smtp_url: str = ""  # "": no mail is sent
    mail_from: str = ""
    allow_private_webhooks: bool = False  # webhooks in private networks may be called
    public_url: str = ""  # what links in mails begin with; "": no links

    def __repr__(self) -> str:
        return "OutsideSettings(…)"
