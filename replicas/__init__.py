"""Copies that follow the committed facts: the search index today, standbys and read replicas next."""
