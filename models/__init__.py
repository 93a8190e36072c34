"""Networks in PyTorch, one family a file, and the registry that recognizes a checkpoint.

`colorrt.models.registry.load_network(path)` is the door: weights file in, luma-to-chroma module out.
"""
