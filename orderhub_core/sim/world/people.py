"""Invented buyers and the places where they live. Nobody here exists: the phones are one unassigned-looking block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.sim.world.plan import Plan, Seconds

CITIES: tuple[tuple[str, str, str, int], ...] = (
    ("浙江省", "杭州市", "hangzhou", 8), ("浙江省", "宁波市", "hangzhou", 4), ("江苏省", "南京市", "hangzhou", 5),
    ("江苏省", "苏州市", "hangzhou", 6), ("上海市", "上海市", "hangzhou", 9), ("安徽省", "合肥市", "hangzhou", 3),
    ("山东省", "青岛市", "hangzhou", 4), ("山东省", "济南市", "hangzhou", 3), ("北京市", "北京市", "hangzhou", 8),
    ("天津市", "天津市", "hangzhou", 3), ("辽宁省", "沈阳市", "hangzhou", 2), ("河南省", "郑州市", "hangzhou", 4),
    ("广东省", "广州市", "guangzhou", 8), ("广东省", "深圳市", "guangzhou", 9), ("广东省", "佛山市", "guangzhou", 4),
    ("福建省", "厦门市", "guangzhou", 3), ("福建省", "福州市", "guangzhou", 3), ("湖南省", "长沙市", "guangzhou", 4),
    ("广西壮族自治区", "南宁市", "guangzhou", 2), ("海南省", "海口市", "guangzhou", 1),
    ("四川省", "成都市", "chengdu", 8), ("重庆市", "重庆市", "chengdu", 6), ("陕西省", "西安市", "chengdu", 4),
    ("云南省", "昆明市", "chengdu", 2), ("贵州省", "贵阳市", "chengdu", 2), ("湖北省", "武汉市", "chengdu", 5),
    ("甘肃省", "兰州市", "chengdu", 1), ("新疆维吾尔自治区", "乌鲁木齐市", "chengdu", 1),
)  # fmt: skip
"""Province, city, nearest warehouse, weight."""

WAREHOUSES = ("hangzhou", "guangzhou", "chengdu")
ELSEWHERE_SHARE = 0.08
"""Orders that another warehouse than the nearest one serves."""

SURNAMES = "安白柏岑常池楚丁杜范方傅高葛顾郭韩何洪侯胡华黄纪季简江姜蒋康柯孔"
GIVEN = [first + second for first in "一子云知以若星景清亦沐南书向予青" for second in "诺衿舒夏宁溪野行和凡晴乔"]
DISTRICTS = [name + "区" for name in ("东湖", "西岭", "南屏", "北苑", "云河", "星桥", "月浦", "青枫", "白鹭", "金穗")]
ROADS = [
    name + "路" for name in ("梧桐", "海棠", "银杏", "丁香", "紫藤", "听雨", "望山", "拾穗", "晴川", "云帆", "竹溪")
]
BUYERS_PER_ORDER = 0.62


class Buyers(NamedTuple):
    """Per order: the buyer, the city's index in CITIES, the warehouse's index in WAREHOUSES."""

    buyer: Seconds
    city: Seconds
    warehouse: Seconds


def buyers(plan: Plan) -> Buyers:
    """Some people buy once, some again and again; a person lives in one city."""
    dice = plan.dice("buyers")
    pool = max(1, round(plan.orders * BUYERS_PER_ORDER))
    buyer = (pool * dice.random(plan.orders) ** 1.4).astype(np.int64)
    weights = np.array([weight for *_, weight in CITIES], dtype=np.float64)
    city = dice.choice(len(CITIES), pool, p=weights / weights.sum())[buyer]
    nearest = np.array([WAREHOUSES.index(warehouse) for _, _, warehouse, _ in CITIES])[city]
    elsewhere = dice.random(plan.orders) < ELSEWHERE_SHARE
    other = (nearest + dice.integers(1, len(WAREHOUSES), plan.orders)) % len(WAREHOUSES)
    return Buyers(buyer, city, np.where(elsewhere, other, nearest))


def persons_frame(plan: Plan, found: Buyers, order_no: pl.Series) -> pl.DataFrame:
    """order_no, name, phone, address. The same buyer is the same person each time."""
    dice, pool = plan.dice("persons"), max(1, round(plan.orders * BUYERS_PER_ORDER))

    def drawn(words: list[str]) -> pl.Series:
        return pl.Series(words).gather(dice.integers(0, len(words), pool)).gather(found.buyer)

    places = [province.removesuffix(city) + city for province, city, *_ in CITIES]
    parts = pl.DataFrame(
        {
            "name": drawn([surname + given for surname in SURNAMES for given in GIVEN]),
            "phone": drawn([f"1990000{number:04d}" for number in range(10_000)]),
            "place": pl.Series(places).gather(found.city),
            "street": drawn([district + road for district in DISTRICTS for road in ROADS]),
            "house": drawn([f"{house}号{flat}室" for house in range(1, 200) for flat in (101, 202, 303, 1204, 2205)]),
        }
    )
    return parts.select(order_no.alias("order_no"), "name", "phone", address=pl.concat_str("place", "street", "house"))
