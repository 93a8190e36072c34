"""What a training counts as wrong."""
