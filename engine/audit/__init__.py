"""Were the promises kept at every position? Bookkeeping of its own, beside apply, over the facts alone."""
