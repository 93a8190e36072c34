"""Measurements, as commands anyone can run: quality on color photographs, speed side by side."""
