"""The catalogue of the pretend brand, and what people put into their baskets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.sim.world.plan import Plan, Seconds

CATEGORIES: dict[str, tuple[str, int, int, tuple[str, ...]]] = {
    "连体衣": ("BODY", 12900, 500, ("小熊", "云朵", "星星", "条纹", "花边", "胡萝卜", "小鹿", "恐龙", "草莓", "月亮")),
    "卫衣": ("HOOD", 16900, 700, ("燕麦", "雾蓝", "奶杏", "炭灰", "薄荷", "藏青", "酒红", "鹅黄", "浅紫", "米白")),
    "面膜": ("MASK", 8900, 900, ("玻尿酸", "烟酰胺", "积雪草", "茶树", "玫瑰", "樱花", "神经酰胺", "绿豆泥", "白松露")),
    "精华": ("SERU", 23900, 1500, ("视黄醇", "维C", "胜肽", "二裂酵母", "传明酸", "依克多因", "角鲨烷", "虾青素")),
    "面霜": ("CREM", 19900, 1100, ("修护", "清爽", "夜间", "抗皱", "水光", "屏障", "润泽", "轻乳")),
    "礼盒": ("GIFT", 29900, 3000, ("新生", "满月", "端午", "中秋", "新年", "闺蜜", "旅行", "焕亮")),
    "赠品": ("FREE", 0, 0, ("小样", "化妆包", "发圈", "贴纸", "围兜", "帆布袋", "试用装")),
}
"""Category -> SKU prefix, lowest price and price step in fen, the variants."""

GIFT = "赠品"
TREATED = frozenset({"面膜", "精华", "礼盒"})
"""Categories whose first line may bring a gift."""
GIFT_SHARE = 0.4
LINE_COUNTS = ((1, 0.72), (2, 0.20), (3, 0.06), (4, 0.02))
QUANTITIES = ((1, 0.88), (2, 0.09), (3, 0.03))


class Article(NamedTuple):
    sku: str
    name: str
    category: str
    price_minor: int


ARTICLES = tuple(
    Article(f"{prefix}-{number:02d}", f"{variant}{category}", category, price + step * number)
    for category, (prefix, price, step, variants) in CATEGORIES.items()
    for number, variant in enumerate(variants, start=1)
)
SOLD = sum(article.category != GIFT for article in ARTICLES)
"""Articles for sale stand first. Their number is prime, so that any stride visits each before one comes again."""
PRICES = np.array([article.price_minor for article in ARTICLES], dtype=np.int64)


class Baskets(NamedTuple):
    """One entry per line, sorted by order and line number; `goods_minor` has one per order."""

    row: Seconds
    line_no: Seconds
    article: Seconds
    quantity: Seconds
    gift: np.ndarray
    goods_minor: Seconds


def baskets(plan: Plan) -> Baskets:
    """Lines of every order; a gift is the last line and belongs to line 1."""
    dice, rows = plan.dice("baskets"), np.arange(plan.orders)
    sizes = dice.choice([size for size, _ in LINE_COUNTS], plan.orders, p=[share for _, share in LINE_COUNTS])
    popularity = 1.0 / np.arange(3, SOLD + 3)
    first = dice.permutation(SOLD)[dice.choice(SOLD, plan.orders, p=popularity / popularity.sum())]
    stride = dice.integers(1, SOLD, plan.orders)
    treated = np.array([article.category in TREATED for article in ARTICLES])[first]
    gifted = treated & (dice.random(plan.orders) < GIFT_SHARE)

    lines = sizes + gifted
    row = np.repeat(rows, lines)
    line_no = np.arange(len(row)) - np.repeat(np.cumsum(lines) - lines, lines) + 1
    gift = line_no > sizes[row]
    article = (first[row] + stride[row] * (line_no - 1)) % SOLD
    article[gift] = dice.integers(SOLD, len(ARTICLES), int(gift.sum()))
    quantity = dice.choice([count for count, _ in QUANTITIES], len(row), p=[share for _, share in QUANTITIES])
    quantity[gift] = 1
    worth = np.bincount(row, weights=PRICES[article] * quantity, minlength=plan.orders).astype(np.int64)
    return Baskets(row, line_no, article, quantity, gift, worth)


def lines_frame(found: Baskets, order_no: pl.Series) -> pl.DataFrame:
    """order_id, order_no, line_no, sku, name, category, quantity, price_minor (fen a piece), gift_of."""
    articles = pl.DataFrame(ARTICLES, schema=["sku", "name", "category", "price_minor"], orient="row")
    return (
        pl.DataFrame({"order_id": found.row + 1, "order_no": order_no.gather(found.row), "line_no": found.line_no})
        .with_columns(
            *articles[found.article].get_columns(),
            pl.Series("quantity", found.quantity, pl.Int32),
            pl.when(pl.Series(found.gift)).then(1).alias("gift_of").cast(pl.Int32),
            pl.col("line_no").cast(pl.Int32),
        )
        .select("order_id", "order_no", "line_no", "sku", "name", "category", "quantity", "price_minor", "gift_of")
    )
