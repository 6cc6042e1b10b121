"""The page: one file without a network, whose numbers are those of the profile; read and clicked in Chromium."""

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lithify.profile import Profile
from lithify.profile.drawing import bandwidth_plot, memory_plot, roofline_plot
from lithify.profile.page import embedded, page, write_page


class Reader(HTMLParser):
    """Texts by the id of the element they are in, and every address that a browser would ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str | None] = []
        self.texts: dict[str, str] = {}
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in ("meta", "link", "br", "line", "circle", "polyline", "polygon"):
            self.open.append(tag)
            self.ids.append(given.get("id"))

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
            self.open.pop()
            self.ids.pop()

    def handle_data(self, data: str) -> None:
        for name in self.ids:
            if name:
                self.texts[name] = self.texts.get(name, "") + data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return reader


def test_the_page_needs_no_network(profile: Profile) -> None:
    text = page(profile)
    reader = read(text)
    assert reader.addresses == ["data:,"]
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\s*\(|http", text)


def test_the_numbers_of_the_page(profile: Profile) -> None:
    texts = read(page(profile)).texts
    assert texts["cycles"] == f"{profile.cycles:,}"
    assert texts["utilisation"] == f"{100 * profile.simulation.mac_utilisation:.1f} %"
    assert texts["dram"] == f"{profile.simulation.dram_bytes:,}"
    assert f"One inference takes {profile.cycles:,} cycles; no schedule could take fewer than" in texts["headline"]
    for number, layer in enumerate(profile.layers, 1):
        row = texts[f"layer-{number}"]
        assert layer.cost.name in row and f"{layer.cost.cycles:,}" in row
        assert f"{layer.weight_bytes + layer.activation_bytes:,}" in row
        assert layer.why in texts["layers"]
    for name, cycles in profile.spent().items():
        assert re.search(rf"{name}\s*{cycles:,}\s", texts["spent"])
    for change in profile.helped:
        assert change.name in texts["help"] and f"{change.cycles:,}" in texts["help"]
    for traffic in profile.traffic[:15]:
        assert traffic.tensor in texts["traffic"] and f"{traffic.read_bytes:,}" in texts["traffic"]
    assert "Horowitz" in texts["obtained"] and "modelled" in texts["obtained"]
    assert "proof" not in texts


def test_drawings_are_well_formed(profile: Profile) -> None:
    marks = ElementTree.fromstring(roofline_plot(profile)).findall(".//circle")
    assert len(marks) == sum(1 for layer in profile.layers if layer.cost.macs)
    for drawing in (memory_plot(profile), bandwidth_plot(profile)):
        box = ElementTree.fromstring(drawing)
        width, height = map(float, box.attrib["viewBox"].split()[2:])
        for area in box.findall("polygon"):
            points = [tuple(map(float, point.split(","))) for point in area.attrib["points"].split()]
            assert points and all(0 <= x <= width and 0 <= y <= height for x, y in points)


def test_names_cannot_break_the_page(profile: Profile) -> None:
    from dataclasses import replace

    layer = profile.layers[0]
    bad = replace(layer, cost=replace(layer.cost, name="<script>alert('&')</script>"))
    text = page(replace(profile, layers=(bad, *profile.layers[1:])))
    assert "<script>alert" not in text and text.count("&lt;script&gt;alert") >= 2


def test_in_a_notebook_it_is_a_frame(profile: Profile) -> None:
    frame = profile._repr_html_()
    assert frame == embedded(profile) and frame.startswith('<iframe srcdoc="') and frame.count("<") == 2


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; the tests that need it are skipped where it or its driver is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("Chromium is not installed: on Debian, apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1100,900"):
        options.add_argument(argument)
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def test_the_page_in_chromium(browser: Any, profile: Profile, tmp_path: Path) -> None:
    """Numbers are read, a layer is clicked and closed again, the table is sorted, a circle opens its layer."""
    path = tmp_path / "report.html"
    write_page(path, profile)
    browser.get(path.as_uri())
    assert browser.find_element("id", "cycles").text == f"{profile.cycles:,}"

    row = browser.find_element("id", "layer-1")
    detail = row.find_element("xpath", "following-sibling::tr")
    assert not detail.is_displayed()
    row.click()
    assert detail.is_displayed() and profile.layers[0].why in detail.text
    for name, cycles in profile.layers[0].helped.items():
        assert name in detail.text and f"{cycles:,}" in detail.text
    row.click()
    assert not detail.is_displayed()

    def order() -> list[int]:
        rows = browser.find_elements("css selector", "#layer-table tr.layer")
        return [int(row.get_attribute("id").removeprefix("layer-")) for row in rows]

    numbers = list(range(1, len(profile.layers) + 1))
    assert order() == numbers
    heading = browser.find_elements("css selector", "#layer-table th button")[2]
    heading.click()
    assert order() == sorted(numbers, key=lambda number: -profile.layers[number - 1].cost.cycles)
    heading.click()
    assert order() == sorted(numbers, key=lambda number: profile.layers[number - 1].cost.cycles)

    circle = browser.find_elements("css selector", "svg .layer")[-1]
    number = circle.get_attribute("data-layer")
    browser.execute_script("arguments[0].dispatchEvent(new Event('click'))", circle)
    assert browser.find_element("id", f"layer-{number}").get_attribute("aria-expanded") == "true"
    assert browser.get_log("browser") == []
