"""The statistics of a search's records."""
