"""Builds references from their entries in params.yaml."""

from importlib import import_module

from stages.config.model import ReferenceSettings
from stages.references.reference import Reference


def build_reference(settings: ReferenceSettings, n_items: int) -> Reference:
    """An unfitted reference for `n_items` items; its kind names its module in this package."""
    reference: Reference = import_module(f".{settings.kind}", __package__).build(settings, n_items)
    return reference
