"""Bootstrap intervals, and quarters of users by activity with their code lengths."""
