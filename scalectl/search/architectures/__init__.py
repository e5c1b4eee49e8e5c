"""Search architectures: a baseline's stages are chosen, before any coefficients are."""
