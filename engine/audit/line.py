"""What an audit asks of the line: first come, first served, seen from each fact.

Owns who is next in line, and the three ways to be unfair: a newcomer passes someone who waits, the line is served out
of order, freed tickets do not go to the next in line in the very step that frees them.
"""

from collections import deque

from ..limits import PROMOTIONS_PER_STEP_MAX
from ..status import HELD, WAITING, WAITLIST_OFF
from .books import Books, Claim, Stock


def check_newcomer(books: Books, claim: Claim) -> None:
    """Before it takes tickets: nobody who waits may be passed. Nor may more be taken than one user can have."""
    stock = claim.stock
    if stock.waiting:
        passed = head_of(stock) if stock.show.strict else next_in_line(stock)
        if passed is not None:
            books.fault(
                f"booking {claim.id} took {claim.quantity} of {stock} while booking {passed.id} waited for them, in "
                f"line since seq {passed.seq}"
            )
    check_limit(books, claim)


def check_limit(books: Books, claim: Claim) -> None:
    show = claim.stock.show
    has = show.tickets_of.get(claim.user_id, 0)
    if has + claim.quantity > show.max_per_user:
        books.fault(
            f'user "{claim.user_id}" has {has} tickets of event {show.id} and got {claim.quantity} more by booking '
            f"{claim.id}; the limit is {show.max_per_user}"
        )


def join(books: Books, claim: Claim) -> None:
    """Stand at the end of the line, or of several; faults if there is none, or no reason to."""
    for stock in (claim.stock, *claim.also):
        if stock.show.waitlist == WAITLIST_OFF:
            books.fault(f"booking {claim.id} waits for {stock}, which has no waitlist")
        if claim.quantity > stock.capacity:
            books.fault(f"booking {claim.id} waits for {claim.quantity} of {stock}, which has {stock.capacity} in all")
        served_first = head_of(stock) if stock.show.strict else next_in_line(stock)
        if claim.quantity <= stock.free and served_first is None and not has_hopeless(stock):
            books.fault(
                f"booking {claim.id} had to wait for {claim.quantity} of {stock}, though {stock.free} were free"
            )
    books.become(claim, WAITING)
    enter_lines(claim)


def enter_lines(claim: Claim) -> None:
    for stock in (claim.stock, *claim.also):
        queue = stock.queues.get(claim.quantity)
        if queue is None:
            queue = stock.queues[claim.quantity] = deque()
        queue.append(claim)


def leave_one(books: Books, claim: Claim, stock: Stock) -> None:
    """Wait for the other ticket types only; faults if this one could still serve, or if there is no other."""
    if not claim.waits_for(stock):
        books.fault(f"booking {claim.id} left the line for {stock}, and did not stand in it")
        return
    if claim.quantity <= stock.capacity:
        books.fault(f"booking {claim.id} for {claim.quantity} left the line for {stock}, which has {stock.capacity}")
    others = [each for each in (claim.stock, *claim.also) if each is not stock]
    if not others:
        books.fault(f"booking {claim.id} left the only line that it stood in")
        return
    if others[0] is not claim.stock:  # from now on it is for another type, at that one's price
        claim.amount_minor = others[0].price_minor * claim.quantity
    claim.stock, *claim.also = others
    stock.waiting -= 1
    freed(books, stock)


def promote(books: Books, claim: Claim, stock: Stock) -> None:
    """From the line into a hold of this ticket type; faults if it was someone else's turn."""
    if not claim.waits_for(stock):
        books.fault(f"booking {claim.id} was served for {stock}, and did not wait for it")
    turn_of = next_in_line(stock)
    if turn_of is not claim:
        whose = "nobody could be served" if turn_of is None else f"it was the turn of booking {turn_of.id}"
        books.fault(f"booking {claim.id} was served for {stock} with {stock.free} free, when {whose}")
    if stock.show.cancelled or stock.show.closed:
        books.fault(f"booking {claim.id} was served for {stock} after the sale was over")
    if claim.status == WAITING:
        for each in (claim.stock, *claim.also):
            if each is not stock:
                each.waiting -= 1
    claim.stock, claim.also = stock, []
    books.become(claim, HELD)


def freed(books: Books, stock: Stock) -> None:
    """Tickets, or a place at the head of the line, became free: whoever is next gets them by the facts that follow."""
    show = stock.show
    if stock.waiting and not show.cancelled and not show.closed and next_in_line(stock) is not None:
        books.due[stock.id] = stock
        books.due_since_seq = books.seq


def check_passed_on(books: Books) -> None:
    """Look, when another fact follows or the batch ends, whether it is still somebody's turn."""
    due, books.due = books.due, {}
    served, books.served = books.served, 0
    for stock in due.values():
        turn_of = next_in_line(stock)
        if turn_of is not None and served < PROMOTIONS_PER_STEP_MAX:
            books.fault(
                f"what was freed of {stock} at seq {books.due_since_seq} did not go to booking {turn_of.id}, the next "
                "in line, in the same step"
            )


def next_in_line(stock: Stock) -> Claim | None:
    """Whom the free tickets belong to: the head of the line, or where it may be passed, the first whom they serve."""
    free = stock.free
    if not stock.waiting or free <= 0:
        return None
    if stock.show.strict:
        head = head_of(stock)
        return head if head is not None and head.quantity <= free else None
    return min((claim for claim in _heads(stock) if claim.quantity <= free), key=_seq_of, default=None)


def head_of(stock: Stock) -> Claim | None:
    return min(_heads(stock), key=_seq_of, default=None) if stock.waiting else None


def has_hopeless(stock: Stock) -> bool:
    return bool(stock.waiting) and any(claim.quantity > stock.capacity for claim in _heads(stock))


def _heads(stock: Stock) -> list[Claim]:
    """Of each size of group, the first in line."""
    found, empty = [], []
    for quantity, queue in stock.queues.items():
        while queue and not queue[0].waits_for(stock):
            queue.popleft()
        if queue:
            found.append(queue[0])
        else:
            empty.append(quantity)
    for quantity in empty:
        del stock.queues[quantity]
    return found


def _seq_of(claim: Claim) -> int:
    return claim.seq
