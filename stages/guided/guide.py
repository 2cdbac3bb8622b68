"""What a guided encoder looks for; rows and packages say it, and nothing heavy is imported for it."""

from typing import Literal, Self

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from stages.config.quantizer import Candidates, EncoderSettings, Pull, ShareOfItems
from stages.config.strict import Encoder


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class Guide:
    """What a guided encoder looks for; ValidationError where a number is out of its range."""

    by: Literal["likelihood", "scores", "mixture"]
    """Target of the decoded scores: the user's known items, the float model's softmax, or a mixture of both."""
    candidates: Candidates
    """Nearest codes among which the search begins."""
    share: ShareOfItems
    """Of the known items in a mixture."""
    pull: Pull
    """Weight of the squared distance to the embedding."""

    @classmethod
    def of(cls, encoder: Encoder, settings: EncoderSettings) -> Self | None:
        """The guide of an encoder, with the numbers of its entry; None of the nearest codes."""
        if encoder == "nearest":
            return None
        return cls(encoder, settings.candidates, settings.share, settings.pull)

    @property
    def share_of_items(self) -> float:
        """Of the known items in the target."""
        return {"likelihood": 1.0, "scores": 0.0}.get(self.by, self.share)
