"""News that others send us by themselves: the payment provider's.

They carry no token: the signature is the proof. They are answered when what follows from them is durable, and with an
error that the provider takes as "send it again" when that can't be: so none is lost, and each is applied once.
"""

from typing import Final

from multidict import istr

from ...engine.codes import TRANSIENT, Code
from ...engine.replies import Refusal
from ..api import Api
from ..caching import PRIVATE
from ..call import Answer, Call
from ..gateway import InvalidSignatureError
from ..problems import refused
from ..render.replies import ReceivedDocument, answer_of, encode

_SIGNATURE: Final = istr("Stripe-Signature")


async def post_stripe(api: Api, call: Call) -> Answer:
    signature = call.headers.get(_SIGNATURE, "")
    try:
        command = api.gateway.read_provider_event(call.body, signature)
    except InvalidSignatureError as fault:
        raise refused(Code.INVALID_SIGNATURE, str(fault)) from None
    if command is None:
        detail = (
            "This node takes no news from Stripe. Set STRIPE_API_KEY, and STRIPE_WEBHOOK_SECRET to the secret that "
            "Stripe shows for this address."
        )
        raise refused(Code.FORBIDDEN, detail)
    reply, _ = await api.decided(command, None)
    if isinstance(reply, Refusal) and reply.code in TRANSIENT:
        return answer_of(reply, api.gateway, replayed=False)
    headers = (("Onsale-Seq", str(reply.seq)), ("Cache-Control", PRIVATE))
    return Answer(200, encode(ReceivedDocument(received=True, seq=reply.seq)), headers)
