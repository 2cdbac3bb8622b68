"""From an entry of params.yaml to the object that it describes."""

from pathlib import Path
from zipfile import BadZipFile

import torch

from stages import params
from stages.errors import UserError
from stages.models.autoencoder import AutoEncoder, VariationalAutoEncoder
from stages.models.bottleneck import ProductBottleneck
from stages.models.ease import Ease
from stages.models.popularity import Popularity
from stages.models.recommender import Recommender
from stages.quantizers.product import ProductCodec


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


def build_model(settings: params.Model, n_items: int) -> Recommender:
    """A model without weights, for `n_items` items."""
    match settings:
        case params.Popularity():
            return Popularity(n_items)
        case params.Ease():
            return Ease(n_items, settings.l2)
        case params.Vae():
            return VariationalAutoEncoder(
                n_items, settings.hidden, settings.dropout, settings.kl_cap, settings.kl_anneal
            )
        case params.Dae():
            bottleneck = None
            if quantized := settings.bottleneck:
                bottleneck = ProductBottleneck(
                    settings.hidden[-1],
                    quantized.chunks,
                    quantized.start,
                    quantized.ema_decay,
                    quantized.commitment,
                    quantized.dead_code_share,
                )
            return AutoEncoder(n_items, settings.hidden, settings.dropout, bottleneck)


def load_model(path: Path, settings: params.Model, n_items: int, device: torch.device) -> Recommender:
    """A trained model.

    Raises
    ------
    UserError
        where there are no weights at `path`, or not those of this model.
    """
    model = build_model(settings, n_items)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise UserError(f"there are no weights at {path}; run the stage train first") from None
    except Exception as error:  # torch.load raises whatever unpickling ran into
        raise UserError(f"{path} does not hold the weights of this model; run the stage train again") from error
    return model.to(device).eval()


def load_codec(path: Path) -> ProductCodec:
    """A fitted quantizer.

    Raises
    ------
    UserError
        where there is none at `path`, or not a whole one.
    """
    try:
        return ProductCodec.load(path)
    except FileNotFoundError:
        raise UserError(f"there is no codec at {path}; run the stage quantize first") from None
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"{path} is no whole codec; run the stage quantize again") from error
