"""Searches: from a grid file to its records and what they say."""
