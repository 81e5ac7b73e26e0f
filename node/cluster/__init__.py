"""A node's role among others."""
