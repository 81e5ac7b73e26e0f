"""Stripe as a payment provider: what is asked of it, what its answers and its news mean, and who is told what."""
