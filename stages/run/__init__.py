"""The ground of every stage: its command line, its errors, where files lie and how they are written, run facts."""
