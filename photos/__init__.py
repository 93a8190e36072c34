"""Where photographs lie and how they are read: one rule for training, evaluation, parity and benchmarks."""
