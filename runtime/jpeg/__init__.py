"""JPEG to JPEG without RGB: planes, and the coded luma kept bit for bit."""
