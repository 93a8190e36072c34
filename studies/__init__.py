"""Measurements for those who work on colorrt or compare it with others; not in the wheel. Run from the checkout."""
