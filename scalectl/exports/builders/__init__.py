"""Texts that exports write into their files: each builds a network from unrolled plain data."""
