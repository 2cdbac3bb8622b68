"""The block serving in params.yaml: what is handed over to serve users."""

from typing import Annotated, Literal

from pydantic import Field

from stages.config.strict import Names, Strict


class ServingSettings(Strict):
    """The rows of the report that become packages and stores, and how they are scored."""

    rows: Names
    """Of the report, with product or residual codes."""
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    """Of the training that ships."""
    scorer: Literal["auto", "dense", "tables", "approximate"]
    """How scores are made from codes; auto chooses by items, batch and memory."""
    memory: Annotated[float, Field(gt=0)]
    """GB that the scorer may take."""
