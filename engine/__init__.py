"""The rules: commands, facts, state, decide, apply. Pure: no I/O, no asyncio, no clock, no chance."""
