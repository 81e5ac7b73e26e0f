"""Bytes that last: batches, segments, group commit, recovery, the SQLite checkpoint."""
