"""The page and the HTTP service: `colorrt serve`. Starlette and uvicorn, the runtime behind them, never PyTorch."""
