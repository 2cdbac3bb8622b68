"""The rows of the report: what is stored of users, and which item tables are quantized."""

from typing import NamedTuple

from stages.config.strict import Encoder, Variant

TABLES = ("output", "input", "both", "users-too")
"""Item tables that are quantized: the decoder's last layer, the encoder's first, both, or both and the users."""


class Row(NamedTuple):
    """A row of the report: what is stored of users, from which model."""

    model: str
    """Under models or references."""
    quantizer: str | None = None
    """Fitted after training; None where the model itself says what is stored."""
    variant: Variant = None
    """Which of the entry's rows: bytes of a code, or the type of floats; None where there is one only."""
    encoder: Encoder = "nearest"
    """How its codes are chosen; the codebooks are the same for all."""

    @property
    def nearest(self) -> "Row":
        """The row of the same codebooks whose codes are the nearest."""
        return self._replace(encoder="nearest")

    @property
    def base(self) -> str:
        """The name that all variants share; they are evaluated together."""
        return self.model if self.quantizer is None else f"{self.model}-{self.quantizer}"

    @property
    def name(self) -> str:
        """The row's name in the report and in metrics.json."""
        name = self.base
        if self.variant is not None:
            name += f"-{self.variant}b" if isinstance(self.variant, int) else f"-{self.variant}"
        return name if self.encoder == "nearest" else f"{name}-{self.encoder}"


class ItemRow(NamedTuple):
    """A model whose item tables are quantized."""

    model: str
    """Under models."""
    quantizer: str
    """Fitted on the item tables after training."""
    variant: Variant
    """As in `Row`."""
    tables: str
    """One of `TABLES`."""

    @property
    def users(self) -> Row:
        """The row whose users are quantized in the same way."""
        return Row(self.model, self.quantizer, self.variant)

    @property
    def name(self) -> str:
        """The row's name in the report."""
        return f"{self.users.name}-{self.tables}"
