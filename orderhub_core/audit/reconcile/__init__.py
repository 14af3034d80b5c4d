"""Reconciliation: what buyers paid, what was refunded, what went out of the door and what the courier carried.

Pure: ledgers in, a `Reconciliation` out. The law is in `causes`; what conflicts, in `conflicts`; fees, in `fees`.
"""
