"""The squares that a training sees: photographs found, cut, aged."""
