"""Calls to webhooks, as Standard Webhooks has them: who may be called, how a call is signed, and what came of it."""
