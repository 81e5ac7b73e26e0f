"""What a command leads to: facts, or a refusal. Reads the state, never changes it."""
