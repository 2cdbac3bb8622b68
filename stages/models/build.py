"""From an entry of params.yaml to the object that it describes."""

from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import torch

from stages.codebooks.fitted import FittedCodec
from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.residual import ResidualCodec, fit_residual
from stages.codebooks.transform import fit_principal, fit_rotation
from stages.codecs.additive import AdditiveCodec, fit_additive
from stages.codecs.history import SomeHistory
from stages.codecs.kmeans import KMeansCodec, TreeCodec, fit_kmeans, fit_tree
from stages.codecs.scalar import ScalarCodec, SignCodec, fit_scalar, fit_signs
from stages.config import model as schema
from stages.config import quantizer as quantizer_schema
from stages.interfaces.codec import Codec, Float16
from stages.interfaces.recommender import Recommender
from stages.models.autoencoder import AutoEncoder, VariationalAutoEncoder
from stages.models.bottleneck.bottleneck import Bottleneck, ProductBottleneck, ResidualBottleneck, Rules
from stages.references.ease import Ease
from stages.references.popularity import Popularity
from stages.run.errors import UserError

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
        follow=settings.follow,
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


def fit_codecs(
    settings: quantizer_schema.Quantizer, vectors: np.ndarray, n_items: int
) -> dict[int | str | None, FittedCodec]:
    """A quantizer fitted on vectors, in each of its forms; a choice of items has nothing to fit.

    Parameters
    ----------
    vectors : float32 (n, d)
    n_items : of the model

    Raises
    ------
    UserError
        where there are fewer vectors than codes, all are the same, or one is not finite.
    """
    match settings:
        case quantizer_schema.KMeans():
            return {f"k{k}": fit_kmeans(vectors, k, settings.seed) for k in settings.codes}
        case quantizer_schema.Tree():
            return {None: fit_tree(vectors, settings.branches, settings.depth, settings.seed)}
        case quantizer_schema.Product():
            rotation = fit_rotation(vectors, settings.chunks, settings.seed) if settings.rotation else None
            rotated = rotation.apply(vectors) if rotation else vectors
            return {None: ProductCodec(fit_product(rotated, settings.chunks, settings.seed), rotation)}
        case quantizer_schema.Residual():
            codec = ResidualCodec(fit_residual(vectors, settings.bytes[0], settings.beam, settings.seed), settings.beam)
            return {n_bytes: codec.prefix(n_bytes) for n_bytes in settings.bytes}
        case quantizer_schema.Additive():
            return {n_bytes: fit_additive(vectors, n_bytes, settings.beam, settings.seed) for n_bytes in settings.bytes}
        case quantizer_schema.Scalar():
            return {
                kind: fit_signs(vectors) if kind == "1bit" else fit_scalar(vectors, kind) for kind in settings.types
            }
        case quantizer_schema.Principal():
            return {n_bytes: fit_scalar(vectors, "8bit", fit_principal(vectors, n_bytes)) for n_bytes in settings.bytes}
        case quantizer_schema.History():
            return {n_bytes: SomeHistory(n_items, n_bytes, settings.seed) for n_bytes in settings.bytes}


def in_form(codec: Codec, form: int | str | None) -> Codec:
    """The codec of one form of what a model stores; form : as in `stages.config.params.Row`."""
    if form == "float16":
        return Float16()
    return codec.prefix(form) if isinstance(codec, ResidualCodec) and isinstance(form, int) else codec


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


def load_codec(path: Path, settings: quantizer_schema.Quantizer, form: int | str | None) -> FittedCodec:
    """A fitted quantizer in one of its forms.

    Raises
    ------
    UserError
        where there is none at `path`, or not a whole one of this kind.
    """
    kinds: dict[str, type[FittedCodec]] = {
        "kmeans": KMeansCodec,
        "tree": TreeCodec,
        "product": ProductCodec,
        "residual": ResidualCodec,
        "additive": AdditiveCodec,
        "scalar": SignCodec if form == "1bit" else ScalarCodec,
        "principal": ScalarCodec,
        "history": SomeHistory,
    }
    try:
        return kinds[settings.kind].load(path)
    except FileNotFoundError:
        raise UserError(f"there is no codec at {path}; run the stage quantize first") from None
    except (ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"{path} is no whole codec of this kind; run the stage quantize again") from error
