"""What each row that was quantized during training stores and keeps, a sentence each."""

from collections.abc import Hashable, Mapping

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.results import NDCG
from stages.reporting.wording import number_of_bytes, score, share, verdict


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """A list; empty where no row was quantized during training."""
    rows = tables["plots/frontier"].set_index("row")
    gains = tables["figures/gains"].set_index("row")[["difference", "low", "high"]].to_dict("index")
    bytes_per_user, ndcg = rows["bytes_per_user"], rows[NDCG]
    sentences = []
    for name, row in rows[(rows["family"] == "trained") & (rows["float_twin"] != "")].iterrows():
        twin = str(row["float_twin"])
        sentence = (
            f"`{name}`: **{number_of_bytes(row['bytes_per_user'])} bytes** per user instead of "
            f"{number_of_bytes(bytes_per_user[twin])} keep **{share(row['kept'])}** of NDCG@100, 95 % CI "
            f"{row['kept_low'] * 100:.1f}–{row['kept_high'] * 100:.1f} ({score(row[NDCG])} of {score(ndcg[twin])})"
        )
        if name in gains:
            sentence += f"; {_gain(gains[name])} quantizing `{twin}` after training at equal bytes"
        sentences.append(f"- {sentence}.")
    return "\n".join(sentences)


def _gain(gain: Mapping[Hashable, float]) -> str:
    """The beginning of a clause on what is compared with."""
    amount = f"{gain['difference']:+.4f} (95 % CI {gain['low']:+.4f} to {gain['high']:+.4f})"
    is_sure = verdict(gain["low"], gain["high"]) != "may be chance"
    return f"{amount} against" if is_sure else f"{amount}, which may be chance, against"
