"""The brief training of one trial."""
