"""params.yaml: its schema block by block, its reader and its messages."""
