"""Onsale: an event-booking engine for the moment when everyone wants the same tickets."""
