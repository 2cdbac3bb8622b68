"""What params.yaml says of a row: its family, what it stores, and which rows it is compared with."""

from stages.config import model as schema
from stages.config import quantizer as quantizer_schema
from stages.config.params import ItemRow, Params, Row

KINDS = {
    "kmeans": "whole",
    "tree": "whole",
    "product": "product",
    "residual": "additive",
    "additive": "additive",
    "scalar": "scalar",
    "principal": "scalar",
    "history": "history",
}


def family_of(params: Params, row: Row) -> str:
    """One of `stages.reporting.results.FAMILIES`."""
    if row.quantizer is not None:
        return KINDS[params.quantizers[row.quantizer].kind]
    if row.model in params.references:
        return "reference"
    return "trained" if _bottleneck(params, row) else "float"


def stored_in_words(params: Params, row: Row) -> str:
    """What is stored per user."""
    if row.model in params.references:
        return "nothing" if isinstance(params.references[row.model], schema.Popularity) else "items, int32"
    width = params.models[row.model].hidden[-1]
    match what := params.quantizers[row.quantizer] if row.quantizer else _bottleneck(params, row):
        case quantizer_schema.History():
            return "some items"
        case quantizer_schema.KMeans():
            return f"1 of {int(str(row.form)[1:]):,} centroids"
        case quantizer_schema.Tree():
            return f"1 of {what.least_vectors:,} leaves"
        case quantizer_schema.Product() | schema.ProductBottleneck():
            return f"{what.chunks} codes of 8 bits"
        case quantizer_schema.Residual() | quantizer_schema.Additive() | schema.ResidualBottleneck():
            return f"{row.form} codes of 8 bits"
        case quantizer_schema.Principal():
            return f"{row.form} × 8bit"
        case quantizer_schema.Scalar():
            return f"{width} × {row.form}"
        case None:
            return f"{width} × {row.form or 'float32'}"


def item_tables_in_words(params: Params, row: ItemRow) -> str:
    """What is stored per item."""
    codes = stored_in_words(params, row.users)
    return {
        "output": f"output table: {codes}; input table: float32",
        "input": f"input table: {codes}; output table: float32",
        "both": f"both tables: {codes}",
        "users-too": f"both tables and users: {codes}",
    }[row.tables]


def twins(params: Params, row: Row) -> tuple[Row | None, Row | None]:
    """Of a quantized row: the float row of the same architecture, and the row that quantizes that after training."""
    if row.quantizer is not None:
        return Row(row.model), None
    bottleneck = _bottleneck(params, row)
    if bottleneck is None:
        return None, None
    floats = (
        name
        for name, other in params.models.items()
        if isinstance(other, schema.Dae)
        and not other.bottleneck
        and not other.stored
        and other.hidden == params.models[row.model].hidden
    )
    twin = next(floats, None)
    if twin not in params.quantized_models:
        return (Row(twin) if twin else None), None
    same = (
        other
        for other in params.quantized_rows_of(twin)
        if other.form == row.form and _is_same(params.quantizers[str(other.quantizer)], bottleneck)
    )
    return Row(twin), next(same, None)


def _bottleneck(params: Params, row: Row) -> schema.ProductBottleneck | schema.ResidualBottleneck | None:
    model = params.models.get(row.model)
    return model.bottleneck if isinstance(model, schema.Dae) else None


def _is_same(
    quantizer: quantizer_schema.Quantizer, bottleneck: schema.ProductBottleneck | schema.ResidualBottleneck
) -> bool:
    if isinstance(bottleneck, schema.ProductBottleneck):
        return (
            isinstance(quantizer, quantizer_schema.Product)
            and quantizer.chunks == bottleneck.chunks
            and quantizer.rotation == bottleneck.rotation
        )
    return isinstance(quantizer, quantizer_schema.Residual)
