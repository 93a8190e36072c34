"""The command line of the studies: options, a call, lines. Each study is imported as it is run."""
