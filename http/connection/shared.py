"""What all connections of one server have in common: who answers hot calls, what every answer says, the limits.

Owns that and the count of open connections. Never touches a socket.
"""

from collections.abc import Callable

from ..call import Answer, Call, Reply
from .limits import ConnectionLimits
from .response_bytes import ResponseRenderer

Count = Callable[[int, float], None]  # a status, and seconds
Hot = Callable[[Call, Reply], Count | bool]  # False: not taken. What is to be told of the answer, or True
Finish = Callable[[Answer], Answer]  # adds what every answer says


class Shared:
    """What all connections of one server have in common."""

    __slots__ = ("connections", "finish", "hot", "limits", "renderer")

    def __init__(self, hot: Hot, finish: Finish, limits: ConnectionLimits) -> None:
        self.hot = hot
        self.finish = finish
        self.limits = limits
        self.renderer = ResponseRenderer()
        self.connections = 0  # open now, but for streams
