"""Lower precision, made in the graph, and parity: how near an artifact comes to its network on photographs."""
