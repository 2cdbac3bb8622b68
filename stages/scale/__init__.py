"""Where work that comes in parts is done: in this process, or on a cluster."""
