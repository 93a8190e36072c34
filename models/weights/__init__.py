"""Weights files: telling what one is, reading it without running it, the known ones."""
