#!/usr/bin/env python3
"""Opens a report in headless Chromium as people would: a map is chosen from the keyboard and the pictures change, the
occlusion sliders move the patch, nothing is asked of a network, no error is on the console, and nothing is wider than a
phone. Exit status 77: something that the test needs is not here.

usage: report.py DECONV SCREENSHOTS        (the test data where DECONV_TEST_DATA says)
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

NEEDED = 77


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(1 if os.environ.get("DECONV_REQUIRE_TEST_DATA") else NEEDED)


try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
except ImportError:
    print("skipped: no selenium for this Python (Debian: python3-selenium)")
    sys.exit(NEEDED)

failures = []


def check(holds, what):
    print(("ok      " if holds else "FAILED  ") + what)
    if not holds:
        failures.append(what)


def make_report(tool, data, page):
    images = data / "tiny_imagenet_10" / "val"
    image = sorted(images.glob("*/*.*"))[0]
    table = page.parent / "table <b>1.csv"
    table.write_text('layer,error\n"a, <i>b</i>",12.5\nc,9\n')
    command = [tool, "report", "--model", str(data / "models" / "tinyvgg.onnx"), "--preprocess", "unit",
               "--data", str(images), "--image", str(image), "--labels",
               str(data / "tiny_imagenet_10" / "classes.txt"), "--maps", "4", "--size", "16", "--stride", "8",
               "--table", str(table), "--output", str(page), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    check(done.returncode == 0 and not done.stderr, f"deconv report ends well: {done.stderr.strip()}")
    if done.returncode != 0:
        sys.exit(1)
    return json.loads(done.stdout)


def browser(chromium, driver, width, height):
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--hide-scrollbars", f"--window-size={width},{height}"):
        options.add_argument(argument)
    # A phone's width is narrower than a window may be.
    if width < 500:
        options.add_experimental_option("mobileEmulation",
                                        {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 1.0}})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(driver), options=options)


def requests_of(window):
    """Addresses that the page asked for, but for its own and those inside it."""
    asked = []
    for entry in window.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    return [url for url in asked if not url.startswith(("data:", "file:"))]


def broken_pictures(window):
    return window.execute_script(
        "return [...document.images].filter(i => !i.complete || i.naturalWidth === 0).length")


def into_view(window, element):
    window.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)


def shown(window):
    return [image.get_attribute("src") for image in window.find_elements(By.CSS_SELECTOR, ".hits img")]


def check_maps(window):
    before = shown(window)
    check(len(before) == 18, f"nine projections and nine patches are shown, met {len(before)}")
    radios = window.find_elements(By.CSS_SELECTOR, ".maps input")
    check(len(radios) == 4, f"four maps to choose from, met {len(radios)}")
    radios[0].send_keys(Keys.ARROW_RIGHT)
    after = shown(window)
    check(radios[1].is_selected() and after != before and len(after) == 18,
          "the arrow key chooses the next map and all its pictures appear")
    into_view(window, radios[2])
    radios[2].click()
    third = shown(window)
    check(third not in (before, after), "a click chooses another map")
    layers = Select(window.find_element(By.CSS_SELECTOR, "[data-widget=maps] select"))
    check(len(layers.options) >= 2, f"layers to choose from: {[o.text for o in layers.options]}")
    layers.select_by_index(len(layers.options) - 1)
    note = window.find_element(By.CSS_SELECTOR, ".note").text
    check(shown(window) != third and layers.options[-1].text in note, f"another layer shows its maps: {note}")


def check_occlusion(window):
    widget = window.find_element(By.CSS_SELECTOR, "[data-widget=occlusion]")
    down, across = widget.find_elements(By.CSS_SELECTOR, "input[type=range]")
    patch, text = widget.find_element(By.CSS_SELECTOR, ".patch"), widget.find_element(By.CSS_SELECTOR, "output")
    before = (patch.get_attribute("style"), text.text)
    check("probability" in before[1], f"the sliders' place is told: {before[1]}")
    across.send_keys(Keys.ARROW_RIGHT)
    after = (patch.get_attribute("style"), text.text)
    check(after[0] != before[0], "the arrow key moves the patch")
    for _ in range(20):
        down.send_keys(Keys.ARROW_UP)
        across.send_keys(Keys.ARROW_RIGHT)
    corner = patch.get_attribute("style")
    stage = widget.find_element(By.CSS_SELECTOR, ".stage")
    into_view(window, stage)
    webdriver.ActionChains(window).move_to_element_with_offset(stage, -40, 40).click().perform()
    check(patch.get_attribute("style") != corner, "a click moves the patch")
    inside = window.execute_script(
        "const p = arguments[0].getBoundingClientRect(), s = arguments[1].getBoundingClientRect();"
        "return p.left >= s.left - 1 && p.right <= s.right + 1 && p.top >= s.top - 1 && p.bottom <= s.bottom + 1",
        patch, stage)
    check(inside, "the patch stays on the picture")


def main():
    tool, pictures = sys.argv[1], pathlib.Path(sys.argv[2])
    data = pathlib.Path(os.environ.get("DECONV_TEST_DATA") or
                        pathlib.Path(__file__).resolve().parents[2] / ".." / "shared" / "data")
    if not (data / "models" / "tinyvgg.onnx").exists():
        skip(f"no test data at {data}")
    chromium, driver = os.environ["DECONV_CHROMIUM"], os.environ["DECONV_CHROMEDRIVER"]
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "report.html"
        document = make_report(tool, data, page)
        check(document["output"] == str(page) and page.stat().st_size > 100000, "the page is there")
        for name, width, height in (("desktop", 1280, 900), ("phone", 375, 800)):
            window = browser(chromium, driver, width, height)
            try:
                window.get(page.as_uri())
                sections = [heading.text for heading in window.find_elements(By.TAG_NAME, "h2")]
                check(len(sections) >= 5, f"{name}: sections {sections}")
                check(broken_pictures(window) == 0, f"{name}: every picture is there")
                check_maps(window)
                check_occlusion(window)
                check(broken_pictures(window) == 0, f"{name}: every picture is there still")
                wide = window.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
                check(wide <= 0, f"{name}: nothing is wider than the window (by {wide} px)")
                cells = [cell.text for cell in window.find_elements(By.TAG_NAME, "td")]
                check("a, <i>b</i>" in cells, f"{name}: texts are shown as they are")
                check(not requests_of(window), f"{name}: nothing is asked of a network: {requests_of(window)}")
                window.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
                for part, selector in (("top", "h1"), ("maps", "[data-widget=maps]"),
                                       ("occlusion", "[data-widget=occlusion]")):
                    window.execute_script("document.querySelector(arguments[0]).scrollIntoView({behavior: 'instant'})",
                                          selector)
                    window.save_screenshot(str(pictures / f"{name}-{part}.png"))
                errors = [entry["message"] for entry in window.get_log("browser") if entry["level"] != "INFO"]
                check(not errors, f"{name}: no error on the console: {errors}")
            finally:
                window.quit()
    sys.exit(1 if failures else 0)


main()
