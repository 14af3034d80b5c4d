"""Where provinces are: their seats of government, to a tenth of a degree (11 km); for orders of which no more is
known."""

from __future__ import annotations

import polars as pl

SEATS: dict[str, tuple[float, float]] = {
    "北京": (39.9, 116.4), "天津": (39.1, 117.2), "河北": (38.0, 114.5), "山西": (37.9, 112.5), "内蒙": (40.8, 111.7),
    "辽宁": (41.8, 123.4), "吉林": (43.9, 125.3), "黑龙": (45.8, 126.5), "上海": (31.2, 121.5), "江苏": (32.1, 118.8),
    "浙江": (30.3, 120.2), "安徽": (31.8, 117.2), "福建": (26.1, 119.3), "江西": (28.7, 115.9), "山东": (36.7, 117.0),
    "河南": (34.7, 113.6), "湖北": (30.6, 114.3), "湖南": (28.2, 112.9), "广东": (23.1, 113.3), "广西": (22.8, 108.4),
    "海南": (20.0, 110.3), "重庆": (29.6, 106.6), "四川": (30.7, 104.1), "贵州": (26.6, 106.7), "云南": (25.0, 102.7),
    "西藏": (29.7, 91.1), "陕西": (34.3, 108.9), "甘肃": (36.1, 103.8), "青海": (36.6, 101.8), "宁夏": (38.5, 106.3),
    "新疆": (43.8, 87.6), "台湾": (25.0, 121.6), "香港": (22.3, 114.2), "澳门": (22.2, 113.5),
}  # fmt: skip
"""Degrees north and east, by the first two characters, which no two provinces share: `广东` and `广东省` are one."""


def located(orders: pl.DataFrame) -> pl.DataFrame:
    """With `latitude` and `longitude` of the order's `province`; null where there is no such province."""
    begins = pl.col("province").str.strip_chars().str.head(2)
    north, east = zip(*SEATS.values(), strict=True)
    return orders.with_columns(
        latitude=begins.replace_strict(list(SEATS), north, default=None, return_dtype=pl.Float64),
        longitude=begins.replace_strict(list(SEATS), east, default=None, return_dtype=pl.Float64),
    )
