"""Architectures as values: what they are, what they cost, how they scale."""
