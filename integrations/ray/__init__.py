"""Color archives on a Ray cluster: `python -m colorrt.integrations.ray IN OUT`. Needs the extra `ray`."""
