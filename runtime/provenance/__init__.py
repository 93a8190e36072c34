"""Provenance: what results say of themselves. They were colored, by what, from which original."""
