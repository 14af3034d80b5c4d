"""What the browser tests look for in a page: things a visitor would trip over."""

from __future__ import annotations

import re

from playwright.sync_api import Page

APP_READY = ".oh-page:visible"
CHART = "canvas:visible, svg.marks:visible"
LONG_MS = 60_000
NOTHING = re.compile(
    "No rule holds an order for a presale|没有规则因预售挂起订单|A snapshot knows no batches|快照里没有批次"
    "|Type or paste a number above|在上面输入或粘贴单号"
)

# Widgets live in shadow trees: walk them all.
ALL = """
const all = [];
const walk = (root) => root.querySelectorAll("*").forEach((e) => {
  all.push(e);
  if (e.shadowRoot) walk(e.shadowRoot);
});
walk(document.body);
const seen = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && e.getClientRects().length;
"""

UNNAMED = f"""() => {{ {ALL}
const named = (e) => (e.getAttribute("aria-label") || e.getAttribute("title") || e.textContent || e.placeholder
  || [...(e.labels ?? [])].map((l) => l.textContent).join("") || e.getAttribute("aria-labelledby") || "").trim();
return all.filter((e) => e.matches("button, a[href], input:not([type=hidden]), select, textarea"))
  .filter((e) => seen(e) && (!named(e) || named(e).includes("<span"))).map((e) => e.outerHTML.slice(0, 200)); }}"""

LATIN = f"""() => {{ {ALL}
const words = new Set();
const keep = (text, e) => {{
  const english = /[A-Za-z]{{3}}/.test(text) && !/[\u4e00-\u9fff]/.test(text);
  if (english && !e.closest("td, code, [lang=en], style, script")) words.add(text.trim());
}};
for (const e of all.filter(seen)) {{
  for (const name of ["aria-label", "placeholder", "title"]) keep(e.getAttribute(name) ?? "", e);
  for (const child of e.childNodes) if (child.nodeType === 3) keep(child.data, e);
}}
return [...words]; }}"""

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

FOCUS = """() => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  const style = getComputedStyle(at);
  const outline = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
  return { text: at.textContent.trim(), outline };
}"""

GROUND = "() => getComputedStyle(document.body).backgroundColor"


def stand(page: Page) -> None:
    """Wait until the app stands."""
    page.locator(APP_READY).first.wait_for(timeout=LONG_MS)


def open_app(page: Page) -> None:
    """Wait until the app and its first chart stand; or it says that it has nothing to draw."""
    stand(page)
    if page.locator(".oh-note:visible", has_text=NOTHING).count():
        return
    page.locator(CHART).first.wait_for(timeout=LONG_MS)


def begin(page: Page) -> None:
    """Open what the app asks to be opened first: a spot audit. The console keeps it for whoever comes after."""
    stand(page)
    if page.locator(".oh-note:visible", has_text=re.compile("No audit is open yet|还没有打开的核对")).count():
        page.get_by_role("button", name=re.compile("Draw and read|抽取并读取")).locator("visible=true").first.click()


def unnamed(page: Page) -> list[str]:
    """Controls that a screen reader could not name."""
    return list(page.evaluate(UNNAMED))


def latin(page: Page) -> list[str]:
    """Texts wholly in English, outside table cells, what is to be typed, and what says that it is English."""
    return list(page.evaluate(LATIN))


def brightness(page: Page) -> float:
    """The mean of the ground's channels, 0 to 255."""
    channels = page.evaluate(GROUND).strip("rgba()").split(",")[:3]
    return sum(map(float, channels)) / 3
