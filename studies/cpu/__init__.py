"""The fastest way on a CPU: `python -m studies cpu`."""
