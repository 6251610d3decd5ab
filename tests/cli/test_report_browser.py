"""Pages about runs in a real browser: nothing is fetched or obeyed, all can be read, printed and reached with keys.

They need the package playwright, which ``nox -s report`` installs, and a chromium. With ATRIO_PICTURES=FOLDER the pages
are put there as pictures, to be looked at.
"""

import os
import shutil
from pathlib import Path

import pytest
from runs_made_up import (
    NOW,
    after,
    batch,
    content,
    failed_run,
    hostile_batch,
    hostile_run,
    interrupted_run,
    killed_batch,
    run,
    stage,
)

from atrio.cli._page import page_of

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run nox -s report")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium")

PAGES = {
    "failed": failed_run(),
    "batch": batch(),
    "hostile": hostile_run(),
    "hostile-batch": hostile_batch(),
    "running": content(
        run("running", duration_s=None, total=3),
        [stage(0, "clean"), stage(1, "classify", "running", begin_s=1.0, duration_s=None)],
        now=after(4),
    ),
    "interrupted": interrupted_run(5, clean_s=1.5),
    "interrupted-at-once": interrupted_run(),
    "killed-batch": killed_batch(),
    "near": killed_batch(0.1395),
    "success": content(run(total=40, successful=40), [stage(at, f"s{at}", begin_s=at) for at in range(40)], now=NOW),
}
WIDTHS = (390, 768, 1280)
WORST_CONTRAST = 4.5
"""What WCAG 2.2 asks for text, at level AA."""

CONTRASTS = """() => {
  const parsed = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parsed(getComputedStyle(each).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("title")) continue;
    const style = getComputedStyle(element);
    const ink = parsed(element instanceof SVGElement ? style.fill : style.color);
    const [one, other] = [light(ink), light(ground(element))].sort((a, b) => b - a);
    const said = `${element.tagName}.${element.getAttribute("class") ?? ""}: ${walker.currentNode.data.slice(0, 20)}`;
    found[said] = (one + 0.05) / (other + 0.05);
  }
  return found;
}"""
STICKING_OUT = """() => [...document.querySelectorAll("body *")]
  .filter(each => !each.closest(".scroll") && !each.closest(".skip") && !each.closest("pre") && !each.closest("g"))
  .filter(each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(each => `${each.tagName}.${each.getAttribute("class")} ${each.textContent.slice(0, 40)}`)"""
OVERLAPPING = """() => [...document.querySelectorAll("svg")].flatMap(svg => {
  const boxes = [...svg.querySelectorAll("text")].map(each => [each.textContent, each.getBoundingClientRect()]);
  return boxes.flatMap(([words, box], at) => boxes.slice(0, at)
    .filter(([_, other]) => box.left < other.right && other.left < box.right)
    .filter(([_, other]) => box.top + 3 < other.bottom && other.top + 3 < box.bottom)
    .map(([others]) => `${others} ${words}`));
})"""
PERCENTILES = """() => {
  const lines = [...document.querySelectorAll(".histogram svg[role=img] .percentile")]
    .map(each => each.getBoundingClientRect().left);
  return [...document.querySelectorAll(".percentile-name")].map((each, at) => {
    const box = each.getBoundingClientRect();
    return [each.textContent, Math.min(Math.abs(box.left - lines[at]), Math.abs(box.right - lines[at]))];
  });
}"""
BARS = """() => [...document.querySelectorAll(".rows svg")].flatMap(svg => {
  const around = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("rect")].map(each => each.getBoundingClientRect()).map(box =>
    ({width: box.width, inside: box.left >= around.left - 1 && box.right <= around.right + 1}));
})"""
FOCUSED = """() => {
  const each = document.activeElement;
  const style = getComputedStyle(each);
  const box = each.getBoundingClientRect();
  return {
    name: `${each.tagName} ${each.getAttribute("href") ?? each.getAttribute("aria-labelledby") ?? ""}`.trim(),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 1,
    seen: box.width > 0 && box.left >= 0 && box.top >= 0 && box.top < innerHeight,
  };
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        # Without its sandbox, which containers seldom allow: the pages are our own.
        started = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page, and say in the end that it asked for nothing and complained of nothing."""
    asked, complaints, contexts = [], [], []

    def open_page(name, width=1280, scheme="light"):
        file = tmp_path / f"{name}.html"
        file.write_text(page_of(PAGES[name]), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.partition("://")[0] for url in asked} == {"file"}
    assert len(asked) == len(contexts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_can_be_read(opened, name, width, scheme):
    page = opened(name, width, scheme)
    if folder := os.environ.get("ATRIO_PICTURES"):
        page.screenshot(path=Path(folder, f"{name}-{width}-{scheme}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(STICKING_OUT) == []
    assert page.evaluate(OVERLAPPING) == []
    assert {said: each for said, each in page.evaluate(CONTRASTS).items() if each < WORST_CONTRAST} == {}
    bars = page.evaluate(BARS)
    assert all(bar["inside"] and bar["width"] >= 1 for bar in bars)
    # A batch that was killed before any of its tasks ended has none of them on a time line.
    assert bars or page.locator(".rows").count() == 0


@pytest.mark.parametrize("width", [390, 600, 768, 1024, 1280, 1400])
@pytest.mark.parametrize("name", ["killed-batch", "near"])
def test_each_percentile_has_its_name_beside_its_line(opened, name, width):
    page = opened(name, width)
    labels = page.evaluate(PERCENTILES)
    assert [name for name, _ in labels] == ["p50", "p95", "p99"]
    assert all(pixels < 6 for _, pixels in labels)
    assert page.evaluate(OVERLAPPING) == []


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("name", ["interrupted", "interrupted-at-once"])
def test_what_its_process_left_open_can_be_seen(opened, name, width):
    page = opened(name, width)
    hatched = page.evaluate(
        """() => [...document.querySelectorAll(".rows line.unknown")].map(each => {
          const [box, around] = [each, each.closest("svg")].map(one => one.getBoundingClientRect());
          return {share: box.width / around.width, end: Math.abs(box.right - around.right)};
        })"""
    )
    (stretch,) = hatched
    assert stretch["share"] > 0.2
    assert stretch["end"] < 2


@pytest.mark.parametrize("name", ["hostile", "hostile-batch"])
def test_what_is_hostile_is_seen_and_not_obeyed(opened, name):
    page = opened(name)
    assert "obeyed" in page.title()
    assert page.title().startswith("<script>")
    assert page.locator("script, img, iframe, object, link, base, form").count() == 0
    words = page.locator("main").inner_text()
    assert "<script>document.title = 'obeyed'</script><img src=x onerror=" in words
    assert "{{ 7 * 7 }} & \\x1b[31mred\\x07 \\u202eolleh\\u202c" in words


def test_a_page_is_walked_through_with_keys_in_its_order(opened):
    page = opened("failed")
    page.keyboard.press("Tab")
    first = page.evaluate(FOCUSED)
    assert first == {"name": "A #main", "ring": True, "seen": True}
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page = opened("failed")
    expected = page.evaluate(
        """() => [...document.querySelectorAll("a, summary, .scroll")].map(each =>
          `${each.tagName} ${each.getAttribute("href") ?? each.getAttribute("aria-labelledby") ?? ""}`.trim())"""
    )
    assert len(expected) > 10
    for name in expected:
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED) == {"name": name, "ring": True, "seen": True}


def test_a_traceback_is_unfolded_with_keys(opened):
    page = opened("batch")
    summary = page.locator("summary").first
    details = page.locator("details").first
    assert details.get_attribute("open") is not None
    summary.focus()
    page.keyboard.press("Enter")
    assert details.get_attribute("open") is None
    page.keyboard.press("Space")
    assert page.locator("details pre").first.is_visible()


@pytest.mark.parametrize("name", ["failed", "batch"])
def test_on_paper_all_is_unfolded_and_dark_on_white(opened, name):
    page = opened(name, 720, "dark")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.removeAttribute('open'))")
    page.emulate_media(media="print")
    assert page.evaluate(
        "[...document.querySelectorAll('details pre')].every(each => each.getBoundingClientRect().height > 50)"
    )
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 35, 40)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    assert page.evaluate(
        "[...document.querySelectorAll('.scroll')].every(each => each.scrollWidth <= each.clientWidth + 1)"
    )
    assert page.pdf(format="A4").startswith(b"%PDF")
