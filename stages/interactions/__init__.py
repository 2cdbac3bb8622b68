"""From files of ratings to interactions and their split."""
