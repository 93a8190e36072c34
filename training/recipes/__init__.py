"""Recipes: what a training is, as TOML, and what reads it."""
