"""The training loop, and the interface of the models it trains."""
