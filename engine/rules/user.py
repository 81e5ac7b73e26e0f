"""What a user told us of themselves."""

from ..commands import SaveUser
from ..facts import UserSaved
from ..limits import USERS_MAX
from ..replies import UserReply
from ..state import State
from .shared import Decision, overloaded


def save_user(state: State, _now_ms: int, command: SaveUser) -> Decision:
    if len(state.users.rows) >= USERS_MAX and command.user_id not in state.users.rows:
        return overloaded(state, "users")
    saved = UserSaved(command.user_id, command.name, command.email, command.webhook_url)
    return [saved], UserReply(state.seq + 1, saved.user_id, saved.name, saved.email, saved.webhook_url)
