"""Shared by all stages: command line, errors, paths, writing of files, memory settings, run facts."""
