"""The body of a message from a file is the observation itself, as JSON: written by the column, read one by one."""

from __future__ import annotations

import msgspec
import polars as pl

from connectors._kit.bounds import storable
from connectors._kit.echo import echoed, refusal
from connectors.files.facts import facts
from connectors.files.mapping import Mapping
from connectors.files.orders import SHARES, parcel, struct
from orderhub_core.errors import Unreadable
from orderhub_core.model import Observation

KIND = "row"

_NULL_MEMBERS = r',"[a-z_.]+":null'

_decoder = msgspec.json.Decoder(Observation)


def decode(kind: str, body: bytes) -> Observation:
    """The observation that a row of a file stated. Pure. Raises Unreadable.

    Where the file has no update time, the row was so when the newest thing happened that it tells, and nobody knows
    since when it is not: whoever states a version of that very instant, or a newer one, knows better.
    """
    if kind != KIND:
        raise Unreadable("message kind {kind} is new to us; files send {own}", kind=echoed(kind), own=KIND)
    try:
        seen = storable(_decoder.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable("the row cannot be read: {why}", why=refusal(error)) from None
    except RecursionError:
        raise Unreadable("the row cannot be read: nested too deeply") from None
    if seen.at is None and seen.facts:
        return msgspec.structs.replace(seen, at=max(seen.facts.values()) - 1, at_least=True)
    return seen


def bodies(claims: pl.DataFrame, mapping: Mapping) -> pl.Series:
    """Binary JSON of one `model.Observation` per row, without the members that are null.

    The first member of every struct is never null: it is what the others' commas hang on. Null members are cut out of
    the text safely, because a quotation mark inside a JSON string never stands without its backslash.
    """
    whole = struct(
        {
            "order_no": pl.col("order_no"),
            "facts": struct({event.value: instant for event, instant in facts(claims, mapping).items()}),
            **_renamed(claims, {"updated_at": "at"}),
            **_content(claims, mapping),
            **_parcels(claims),
        }
    )
    return claims.select(
        whole.struct.json_encode().str.replace_all(_NULL_MEMBERS, "").cast(pl.Binary).alias("body")
    ).to_series()


_CONTENT = {
    "total": "total_minor",
    "paid": "paid_minor",
    "freight": "freight_minor",
    "discount": "discount_minor",
    "payment_method": "payment_method",
    "buyer": "buyer_ref",
    "province": "province",
    "city": "city",
    "note": "note",
    "promised_at": "promised_at",
}
_PERSON = {"receiver_name": "name", "receiver_phone": "phone", "receiver_address": "address"}


def _renamed(claims: pl.DataFrame, names: dict[str, str]) -> dict[str, pl.Expr]:
    return {ours: pl.col(field) for field, ours in names.items() if field in claims.columns}


def _content(claims: pl.DataFrame, mapping: Mapping) -> dict[str, pl.Expr]:
    """Only what is stated: an empty cell says nothing, and neither does a column that the file does not have."""
    told = _renamed(claims, _CONTENT)
    person = _renamed(claims, _PERSON)
    if person:
        somebody = pl.any_horizontal(column.is_not_null() for column in person.values())
        filled = {"name": pl.lit(""), **person}
        told["person"] = pl.when(somebody).then(struct({**filled, "name": filled["name"].fill_null("")}))
    if "lines" in claims.columns:
        told["lines"] = pl.col("lines")
    if not told:
        return {}
    amounts = [told[_CONTENT[field]].is_not_null() for field in SHARES if _CONTENT.get(field) in told]
    if "lines" in told:
        amounts.append(pl.lit(True))
    priced = pl.any_horizontal(*amounts) if amounts else pl.lit(False)
    content = struct({"currency": pl.when(priced).then(pl.lit(mapping.currency)).otherwise(pl.lit("")), **told})
    return {"content": pl.when(pl.any_horizontal(value.is_not_null() for value in told.values())).then(content)}


def _parcels(claims: pl.DataFrame) -> dict[str, pl.Expr]:
    if "parcels" in claims.columns:
        return {"parcels": pl.col("parcels")}
    if "tracking_no" not in claims.columns:
        return {}
    return {"parcels": pl.when(pl.col("tracking_no").is_not_null()).then(pl.concat_list(parcel(claims.columns)))}
