"""Receipts: a Merkle tree over the committed journal, so that anyone can check their place in it."""
