"""colorrt in engines that spread work over machines; each needs an extra of its own."""
