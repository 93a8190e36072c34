"""INT8 that keeps its color: ranges from photographs, a graph with Q/DQ pairs, and a budget that refuses."""
