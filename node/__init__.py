"""One process: configuration, the loop that drives the engine, wiring, the command line."""
