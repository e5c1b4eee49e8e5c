"""Figures of searches of architectures: one file for each, and its line in `ARCHITECTURE_FIGURES`."""
