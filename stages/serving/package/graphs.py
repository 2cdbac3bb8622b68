"""A package as ONNX: from histories to codes, and from codes to scores.

The graphs hold no weights: they name places in the safetensors files beside them, so that nothing is there twice, and
2 GB, the limit of a graph, are no limit of a package. Load them by their path.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stages.serving.package.package import CODES, Layer, Quantizer

OPSET, IR_VERSION = 17, 8  # of 2022, which every runtime in use knows


def encode_graph(encoder: Sequence[Layer] | None, quantizer: Quantizer, files: dict[str, bytes]) -> bytes:
    """The graph from histories to codes uint8 (n_users, n_bytes).

    Its inputs are those of `torch.nn.EmbeddingBag`: `items` int64 (items of all users,), columns, each once a user, and
    `offsets` int64 (n_users,), where each user begins. A history may be empty. Memory grows with users × interactions,
    so batches have some hundred users. Without an encoder, the input is `vectors` float32 (n_users, d).

    Parameters
    ----------
    files : name → content of each safetensors file
    """
    graph = _Graph(files)
    if encoder is None:
        inputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["users", quantizer.width])]
        vectors = "vectors"
    else:
        inputs = [
            helper.make_tensor_value_info("items", TensorProto.INT64, ["interactions"]),
            helper.make_tensor_value_info("offsets", TensorProto.INT64, ["users"]),
        ]
        vectors = _embed(graph, encoder)
    if quantizer.mean is not None:
        vectors = graph.op("Sub", vectors, "codebooks.mean")
    if quantizer.into is not None:
        vectors = graph.op("MatMul", vectors, "codebooks.into")
    codes = (_nearest if quantizer.kind == "product" else _beam_search)(graph, vectors, quantizer)
    graph.op("Cast", codes, to=TensorProto.UINT8, output="codes")
    return graph.model("encode", inputs, TensorProto.UINT8, "codes", quantizer.n_bytes)


def score_graph(quantizer: Quantizer, n_items: int, files: dict[str, bytes]) -> bytes:
    """The graph from `codes` uint8 (n_users, n_bytes) to `scores` float32 (n_users, n_items); parameters as above."""
    graph = _Graph(files)
    n_codebooks, _, width = quantizer.codebooks.shape
    numbers = graph.op("Cast", "codes", to=TensorProto.INT64)
    numbers = graph.op("Add", numbers, graph.constant(np.arange(quantizer.n_bytes) * CODES))
    every = graph.op("Reshape", "codebooks.codebooks", graph.constant(np.array([n_codebooks * CODES, width])))
    chosen = graph.op("Gather", every, numbers, axis=0)  # (n_users, n_bytes, width)
    if quantizer.kind == "product":
        vectors = graph.op("Reshape", chosen, graph.constant(np.array([-1, n_codebooks * width])))
    else:
        vectors = graph.op("ReduceSum", chosen, graph.constant(np.array([1])), keepdims=0)
    if quantizer.back is not None:
        vectors = graph.op("MatMul", vectors, "codebooks.back")
    if quantizer.mean is not None:
        vectors = graph.op("Add", vectors, "codebooks.mean")
    graph.op("Gemm", vectors, "decoder.weight", "decoder.bias", transB=1, output="scores")
    inputs = [helper.make_tensor_value_info("codes", TensorProto.UINT8, ["users", quantizer.n_bytes])]
    return graph.model("score", inputs, TensorProto.FLOAT, "scores", n_items)


class _Graph:
    """Nodes, and the weights and constants that they read."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.weights = {tensor.name: tensor for name, content in files.items() for tensor in _places(name, content)}

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node of one output; its name."""
        return self.ops(kind, *inputs, outputs=[output or f"{kind}-{len(self.nodes)}"], **attributes)[0]

    def ops(self, kind: str, *inputs: str, outputs: list[str], **attributes: Any) -> list[str]:
        """Add a node of several outputs; their names."""
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, **attributes))
        self.initializers += [self.weights.pop(name) for name in inputs if name in self.weights]
        return outputs

    def constant(self, value: np.ndarray) -> str:
        """Add a constant; its name."""
        name = f"constant-{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def model(self, name: str, inputs: list[onnx.ValueInfoProto], kind: int, output: str, width: int) -> bytes:
        """The whole, with one output (n_users, width)."""
        outputs = [helper.make_tensor_value_info(output, kind, ["users", width])]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.initializers)
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION).SerializeToString(
            deterministic=True
        )


def _places(name: str, content: bytes) -> list[onnx.TensorProto]:
    """The tensors of a safetensors file, by where they are in it: <name of the file without its end>.<tensor>."""
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = []
    for key, entry in json.loads(content[8:start]).items():
        begin, end = entry["data_offsets"]
        tensor = onnx.TensorProto(
            name=f"{name.partition('.')[0]}.{key}", data_type=TensorProto.FLOAT, dims=entry["shape"],
            data_location=TensorProto.EXTERNAL,
        )  # fmt: skip
        for word, value in {"location": name, "offset": start + begin, "length": end - begin}.items():
            tensor.external_data.add(key=word, value=str(value))
        tensors.append(tensor)
    return tensors


def _embed(graph: _Graph, encoder: Sequence[Layer]) -> str:
    """Vectors (n_users, d) of the histories."""
    total = graph.op("Shape", "items")
    ends = graph.op("Concat", graph.op("Slice", "offsets", *map(graph.constant, _bounds(1))), total, axis=0)
    lengths = graph.op("Sub", ends, "offsets")
    zero, one = graph.constant(np.array(0)), graph.constant(np.array(1))
    place = graph.op("Range", zero, graph.op("Squeeze", total), one)  # of each interaction
    starts = graph.op("Unsqueeze", "offsets", one_axis := graph.constant(np.array([1])))
    is_of_user = graph.op(
        "And",
        graph.op("GreaterOrEqual", place, starts),
        graph.op("Less", place, graph.op("Unsqueeze", ends, one_axis)),
    )
    # A product with zeros and ones sums each user's rows; runtimes have no sum over segments that is fast and safe.
    membership = graph.op("Cast", is_of_user, to=TensorProto.FLOAT)  # (n_users, interactions)
    summed = graph.op("MatMul", membership, graph.op("Gather", "encoder.0.weight", "items", axis=0))
    counted = graph.op("Cast", graph.op("Max", lengths, one), to=TensorProto.FLOAT)  # an empty history stays zero
    hidden = graph.op("Div", summed, graph.op("Unsqueeze", graph.op("Sqrt", counted), one_axis))
    for number, layer in enumerate(encoder):
        if number:
            hidden = graph.op("MatMul", hidden, f"encoder.{number}.weight")
        hidden = graph.op("Add", hidden, f"encoder.{number}.bias")
        if layer.tanh:
            hidden = graph.op("Tanh", hidden)
    return hidden


def _nearest(graph: _Graph, vectors: str, quantizer: Quantizer) -> str:
    """Codes int64 (n_users, M): in each chunk, the nearest."""
    n_codebooks, _, width = quantizer.codebooks.shape
    chunks = graph.op("Reshape", vectors, graph.constant(np.array([-1, n_codebooks, width])))
    chunks = graph.op("Transpose", chunks, perm=[1, 0, 2])  # (M, n_users, width)
    norms = graph.op("ReduceSumSquare", "codebooks.codebooks", axes=[2], keepdims=0)
    half_norms = graph.op(
        "Unsqueeze", graph.op("Mul", norms, graph.constant(np.array(0.5, np.float32))), graph.constant(np.array([1]))
    )  # (M, 1, 256)
    products = graph.op("MatMul", chunks, graph.op("Transpose", "codebooks.codebooks", perm=[0, 2, 1]))
    best = graph.op("ArgMin", graph.op("Sub", half_norms, products), axis=2, keepdims=0)  # (M, n_users)
    return graph.op("Transpose", best, perm=[1, 0])


def _beam_search(graph: _Graph, vectors: str, quantizer: Quantizer) -> str:
    """Codes int64 (n_users, n_bytes) by a search that goes on with the best few partial codes, codebook by codebook."""
    n_codebooks = len(quantizer.codebooks)
    first, two = graph.constant(np.array([1])), graph.constant(np.array(2, np.float32))
    codes_at_once = graph.constant(np.array(CODES))
    kept = 1
    rest = graph.op("Unsqueeze", vectors, first)  # (n_users, kept, d), what each partial code has left
    lost, codes = None, None  # float (n_users, kept, 1), squared distances but for a constant; int64 (n_users, kept, …)
    for number in range(n_codebooks):
        codebook = graph.op("Gather", "codebooks.codebooks", graph.constant(np.array(number)), axis=0)  # (256, d)
        norms = graph.op("ReduceSumSquare", codebook, axes=[1], keepdims=0)
        products = graph.op("MatMul", rest, graph.op("Transpose", codebook, perm=[1, 0]))  # (n_users, kept, 256)
        after = graph.op("Sub", norms, graph.op("Mul", products, two))
        after = after if lost is None else graph.op("Add", lost, after)
        candidates = graph.op("Reshape", after, graph.constant(np.array([-1, kept * CODES])))
        kept = min(quantizer.beam, kept * CODES)
        least, best = graph.ops(
            "TopK", candidates, graph.constant(np.array([kept])), outputs=[f"least-{number}", f"best-{number}"],
            axis=1, largest=0, sorted=1,
        )  # fmt: skip
        # Only what a partial code loses more than the best one is carried on: so no small difference is rounded away.
        least = graph.op("Sub", least, graph.op("ReduceMin", least, axes=[1], keepdims=1))
        lost = graph.op("Unsqueeze", least, graph.constant(np.array([2])))
        partial, code = graph.op("Div", best, codes_at_once), graph.op("Mod", best, codes_at_once)  # (n_users, kept)
        partial = graph.op("Unsqueeze", partial, graph.constant(np.array([2])))
        chosen = graph.op("GatherND", rest, partial, batch_dims=1)  # what the partial codes gone on with have left
        rest = graph.op("Sub", chosen, graph.op("Gather", codebook, code, axis=0))
        code = graph.op("Unsqueeze", code, graph.constant(np.array([2])))
        codes = (
            code if codes is None
            else graph.op("Concat", graph.op("GatherND", codes, partial, batch_dims=1), code, axis=2)
        )  # fmt: skip
    assert codes is not None
    best_code = graph.op("Gather", codes, graph.constant(np.array(0)), axis=1)  # (n_users, M)
    return graph.op("Slice", best_code, *map(graph.constant, _bounds(0, quantizer.n_bytes, axis=1)))


def _bounds(start: int, end: int = 2**62, axis: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs of a Slice."""
    return np.array([start]), np.array([end]), np.array([axis])
