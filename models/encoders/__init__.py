"""Encoders that networks are built on, each with its weights' keys."""
