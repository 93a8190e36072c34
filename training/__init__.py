"""How the shipped model is trained: photographs, luma as old photographs have it, losses, recipes, the loop."""
