"""What is remembered of users, and of the requests that were answered.

Owns the facts about users and idempotency keys.
"""

from .. import facts as f
from ..limits import KEY_KEPT_MS, KEYS_FORGOTTEN_PER_STEP_MAX
from ..records import Key, User
from ..state import State


def user_saved(state: State, fact: f.UserSaved) -> None:
    user = state.users.rows.get(fact.user_id)
    if user is None:
        state.users.add(fact.user_id, User(fact.user_id, fact.name, fact.email, fact.webhook_url))
        return
    state.users.touch(fact.user_id, user)
    user.webhook_disabled = False  # it was given anew
    user.name, user.email, user.webhook_url = fact.name, fact.email, fact.webhook_url


def keyed(state: State, fact: f.Keyed) -> None:
    keys = state.keys
    known = keys.rows.get(fact.digest)
    if known is not None and known.at_ms + KEY_KEPT_MS > state.at_ms:  # the outcome of what it asked for
        keys.touch(fact.digest, known)
        known.fingerprint, known.reply = fact.fingerprint, fact.reply
        return
    order, forgotten = state.key_order, 0
    while order and forgotten < KEYS_FORGOTTEN_PER_STEP_MAX and order[0].at_ms + KEY_KEPT_MS <= state.at_ms:
        oldest = order.popleft()
        if keys.rows.get(oldest.digest) is oldest:
            keys.drop(oldest.digest, archive=False)
            forgotten += 1
    if known is not None and fact.digest in keys.rows:  # its time was over, so it begins anew, at the end of the order
        keys.drop(fact.digest, archive=False)
    key = Key(fact.digest, fact.fingerprint, fact.reply, state.at_ms)
    keys.add(fact.digest, key)
    order.append(key)
