"""Networks of the papers, made for training: initialized as their authors have it, one module a paper."""
