"""CSV and XLSX exports as a source of orders: what a shop can always get, even where no push is allowed.

`load_mapping` says how the file reads, `read_table` reads it, `observe` says what it claims and what it refuses;
`decode` is the way back from a stored message. `read_touchpoint` reads plain files for the audit, `read_ledger` those
for the reconciliation, `read_sheet` any table whose columns the caller names.
"""

from connectors.files.bodies import KIND, decode
from connectors.files.ledgers import conventions, read_ledger
from connectors.files.mapping import Mapping, load_mapping, shipped_mappings
from connectors.files.observing import REFUSED, Reading, observe
from connectors.files.reading import parse_table, read_table
from connectors.files.sheets import read_sheet
from connectors.files.touchpoint import read_touchpoint, read_values

__all__ = [
    "KIND",
    "REFUSED",
    "Mapping",
    "Reading",
    "conventions",
    "decode",
    "load_mapping",
    "observe",
    "parse_table",
    "read_ledger",
    "read_sheet",
    "read_table",
    "read_touchpoint",
    "read_values",
    "shipped_mappings",
]
