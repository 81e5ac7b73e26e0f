"""The search of events: an index in RAM, kept up from committed facts, in a process of its own."""
