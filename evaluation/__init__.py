"""How good the colors are: figures on color photographs, artifacts beside each other, sheets and reports."""
