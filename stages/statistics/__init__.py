"""Bootstrap intervals, and groups of users and of items."""
