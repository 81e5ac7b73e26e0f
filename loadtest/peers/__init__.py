"""What our own server is measured against, each runnable alone on one core.

`python -m onsale.loadtest.peers NAME` serves one of them; __main__.py has their names. Each is written as those would
who know its parts best, and answers POST /booking with what a booking of ours looks like.
"""
