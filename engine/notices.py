"""What people are told, and by which ways.

Owns the kinds of notices, one sentence for each, and the channels by which a notice is sent. That every notice stands
in its user's list is not a channel: it is there from the moment it is made. Pure words and numbers.
"""

from typing import Final, NamedTuple

MAIL: Final = 1
USER_WEBHOOK: Final = 2
ORGANISER_WEBHOOK: Final = 3

CHANNEL_NAMES: Final = {MAIL: "mail", USER_WEBHOOK: "user_webhook", ORGANISER_WEBHOOK: "organiser_webhook"}

_CHANNELS_MAX: Final = 4


class Kind(NamedTuple):
    """`sentence`: true at the time it tells of, with {event}, {amount} (with its currency) and {detail} to fill in.

    `mailed`: worth an e-mail. `for_organiser`: of interest to the event's organiser, too.
    """

    sentence: str
    mailed: bool
    for_organiser: bool


KINDS: Final[dict[str, Kind]] = {
    "held": Kind(
        'Your tickets for "{event}" are held for you. Pay before the hold lapses to keep them.',
        mailed=False,
        for_organiser=False,
    ),
    "your_turn": Kind(
        'It is your turn: tickets for "{event}" are held for you. Pay before the hold lapses to keep them.',
        mailed=True,
        for_organiser=False,
    ),
    "admitted": Kind(
        'It is your turn: you can book tickets for "{event}" now.', mailed=False, for_organiser=False
    ),  # by the waiting room; about no booking
    "about_to_lapse": Kind(
        'Your hold on tickets for "{event}" is about to lapse. Pay now to keep them.',
        mailed=False,
        for_organiser=False,
    ),
    "lapsed": Kind('Your hold or place in line for "{event}" has lapsed.', mailed=False, for_organiser=False),
    "payment_failed": Kind(
        'Your payment for "{event}" did not go through. {detail}', mailed=False, for_organiser=False
    ),
    "confirmed": Kind(
        'Your tickets for "{event}" are paid and confirmed. Enjoy the event!', mailed=True, for_organiser=True
    ),
    "paid_too_late": Kind(
        'Your payment of {amount} for "{event}" came when it was not needed any more or the tickets were gone. It is '
        "on its way back to you.",
        mailed=True,
        for_organiser=False,
    ),
    "refunded": Kind('{amount} for "{event}" have been given back to you.', mailed=True, for_organiser=True),
    "cancelled": Kind('Your booking for "{event}" has been cancelled.', mailed=True, for_organiser=True),
    "event_cancelled": Kind(
        '"{event}" has been cancelled. What you paid, {amount}, is on its way back to you.',
        mailed=True,
        for_organiser=True,
    ),
    "changed": Kind(
        '"{event}" has changed: see when and where it is now. What you have booked stays yours.',
        mailed=True,
        for_organiser=False,
    ),
    "disputed": Kind(
        'A payment of {amount} for "{event}" is disputed. {detail}', mailed=False, for_organiser=True
    ),  # told to the organiser alone
}


def delivery_id(notice_id: int, channel: int) -> int:
    """So that equal facts make equal deliveries, without a counter."""
    return notice_id * _CHANNELS_MAX + channel


assert max(CHANNEL_NAMES) < _CHANNELS_MAX


def notice_of(delivery: int) -> int:
    """The notice that a delivery's id names."""
    return delivery // _CHANNELS_MAX


def channel_of(delivery: int) -> int:
    """The channel that a delivery's id names."""
    return delivery % _CHANNELS_MAX
