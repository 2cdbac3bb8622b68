"""From an entry of params.yaml to the object that it describes."""

from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import torch

from stages import schema
from stages.errors import UserError
from stages.models.autoencoder import AutoEncoder, VariationalAutoEncoder
from stages.models.bottleneck import Bottleneck, ProductBottleneck, ResidualBottleneck, Rules
from stages.models.ease import Ease
from stages.models.popularity import Popularity
from stages.models.recommender import Recommender
from stages.quantizers.codec import Codec, Float16, SomeHistory
from stages.quantizers.product import ProductCodec, fit_product
from stages.quantizers.residual import ResidualCodec, fit_residual
from stages.quantizers.transform import fit_rotation

Fitted = ProductCodec | ResidualCodec | SomeHistory
Model = TypeVar("Model", bound=Recommender)


def choose_device(name: str) -> torch.device:
    """The device that `device` in params.yaml asks for.

    Raises
    ------
    UserError
        where it asks for CUDA and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device in params.yaml is cuda, but PyTorch finds no GPU here; set it to auto or cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type that `training.precision` in params.yaml asks for.

    Raises
    ------
    UserError
        where it is bfloat16, and the device has no instructions for it.
    """
    if name == "float32":
        return torch.float32
    if device.type == "cuda":
        found, what = torch.cuda.is_bf16_supported(including_emulation=False), torch.cuda.get_device_name(device)
    else:
        capabilities = torch.cpu.get_capabilities()
        found = any(capabilities.get(instructions) for instructions in ("avx512_bf16", "amx_bf16", "bf16"))
        what = "this processor"
    if not found:
        raise UserError(f"{what} has no bfloat16 instructions; set training.precision in params.yaml to float32")
    return torch.bfloat16


def describe(device: torch.device) -> dict[str, object]:
    """The device and the number of threads, for a record."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "threads": torch.get_num_threads()}


def build_reference(settings: schema.Reference, n_items: int) -> Popularity | Ease:
    """A reference that is not fitted yet, for `n_items` items."""
    match settings:
        case schema.Popularity():
            return Popularity(n_items)
        case schema.Ease():
            return Ease(n_items, settings.l2)


def build_model(settings: schema.Model, n_items: int) -> AutoEncoder:
    """A model without weights, for `n_items` items."""
    match settings:
        case schema.Vae():
            return VariationalAutoEncoder(
                n_items, settings.hidden, settings.dropout, settings.kl_cap, settings.kl_anneal
            )
        case schema.Dae():
            bottleneck = build_bottleneck(settings.bottleneck, settings.hidden[-1]) if settings.bottleneck else None
            return AutoEncoder(n_items, settings.hidden, settings.dropout, bottleneck)


def build_bottleneck(settings: schema.ProductBottleneck | schema.ResidualBottleneck, width: int) -> Bottleneck:
    """A bottleneck without codebooks, for vectors of this width."""
    rules = Rules(
        settings.start,
        settings.ema_decay,
        settings.commitment,
        settings.dead_code_share,
        learn_scores=settings.target == "scores",
        follow_clean=settings.follow == "clean",
    )
    match settings:
        case schema.ProductBottleneck():
            return ProductBottleneck(width, settings.chunks, rules, settings.rotation)
        case schema.ResidualBottleneck():
            return ResidualBottleneck(
                width,
                settings.bytes[0],
                rules,
                settings.beam,
                settings.training_beam,
                metric=settings.metric == "decoder",
            )


def fit_codec(settings: schema.Quantizer, vectors: np.ndarray, n_items: int) -> Fitted:
    """A quantizer fitted on embeddings; a choice of items has nothing to fit.

    Parameters
    ----------
    vectors : float32 (n, d)
    n_items : of the model
    """
    match settings:
        case schema.ProductQuantizer():
            rotation = fit_rotation(vectors, settings.chunks, settings.seed) if settings.rotation else None
            rotated = rotation.apply(vectors) if rotation else vectors
            return ProductCodec(fit_product(rotated, settings.chunks, settings.seed), rotation)
        case schema.ResidualQuantizer():
            codebooks = fit_residual(vectors, settings.bytes[0], settings.beam, settings.seed)
            return ResidualCodec(codebooks, settings.beam)
        case schema.HistoryQuantizer():
            return SomeHistory(n_items, settings.bytes[0], settings.seed)


def in_form(codec: Codec, form: int | str | None) -> Codec:
    """The codec of one form of what a model or quantizer stores; form : as in `stages.params.Row`."""
    if form == "float16":
        return Float16()
    return codec.prefix(form) if isinstance(codec, ResidualCodec | SomeHistory) and isinstance(form, int) else codec


def load_weights(model: Model, path: Path, stage: str, device: torch.device) -> Model:
    """Give a model its trained weights.

    Parameters
    ----------
    stage : that makes them, for the message

    Raises
    ------
    UserError
        where there are no weights at `path`, or not those of this model.
    """
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise UserError(f"there are no weights at {path}; run the stage {stage} first") from None
    except Exception as error:  # torch.load raises whatever unpickling ran into
        raise UserError(f"{path} does not hold the weights of this model; run the stage {stage} again") from error
    return model.to(device).eval()


def save_state(state: Any, path: Path) -> None:
    """Write weights, or a checkpoint."""
    # To a file object: given a path, torch writes its name into the file, and the bytes would differ.
    with path.open("wb") as file:
        torch.save(state, file)


def load_codec(path: Path, settings: schema.Quantizer) -> Fitted:
    """A fitted quantizer.

    Raises
    ------
    UserError
        where there is none at `path`, or not a whole one of this kind.
    """
    kinds: dict[str, type[Fitted]] = {"product": ProductCodec, "residual": ResidualCodec, "history": SomeHistory}
    try:
        return kinds[settings.kind].load(path)
    except FileNotFoundError:
        raise UserError(f"there is no codec at {path}; run the stage quantize first") from None
    except (ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"{path} is no whole codec of this kind; run the stage quantize again") from error
