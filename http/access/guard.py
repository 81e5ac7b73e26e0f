"""Who may call what (CONTRACT §4), as one line at the top of a call.

Owns the two refusals: 401 for somebody who has not said who they are, 403 for somebody who has and may not. What a
principal may do is Principal's to say.
"""

from ...engine.codes import Code
from ..call import Call
from ..problems import RefusedError, refused
from .auth import Authenticator, Principal


def caller(authenticator: Authenticator, call: Call) -> Principal:
    """The caller, who must have said who they are."""
    principal = authenticator.authenticate(call)
    if not isinstance(principal, Principal):
        raise RefusedError(principal)
    if principal.role == "anonymous":
        raise refused(Code.UNAUTHENTICATED, "Send a token as 'Authorization: Bearer <token>'.")
    return principal


def organiser(authenticator: Authenticator, call: Call) -> Principal:
    principal = caller(authenticator, call)
    if not principal.is_organiser:
        raise refused(Code.FORBIDDEN, "This takes the role organiser.")
    return principal


def operator(authenticator: Authenticator, call: Call) -> Principal:
    principal = caller(authenticator, call)
    if not principal.is_operator:
        raise refused(Code.FORBIDDEN, "This takes the role operator.")
    return principal


def check_acts_for(principal: Principal, user_id: str) -> None:
    if not principal.may_act_for(user_id):
        raise refused(Code.FORBIDDEN, "This is another user's; a user's token acts for its own sub alone.")
