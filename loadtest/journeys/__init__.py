"""Load tests with locust: people who speak the HTTP API as real clients do, and a check of what they were told.

`python -m onsale.loadtest.journeys` runs them. Only crowd.py imports locust, in a process of its own.
"""
