# SPDX-License-Identifier: Apache-2.0
"""The report's page in a headless Chromium: drawn, used by mouse and keyboard, attacked, measured.

Pages come from made-up scenes (scenes.h). Screenshots stay in the folder --out to be looked at.
Exits with 77 where there is no Chromium, or where the build has no page.
"""
import argparse
import os
import subprocess
import sys
import unittest

from chromium import Browser, Page, find_chromium

SECTIONS = ["findings", "summary", "timeline", "blocks", "sizes", "latencies", "hotspots", "holders"]
WIDTHS = [400, 1000, 1800]
OPEN_SECONDS = 10

# The least contrast of any text on the page, and the text: what stands on what is found by going up
# until something is opaque, putting what is not on top.
CONTRAST = r"""
(() => {
  const parse = (text) => {
    const numbers = text.match(/[\d.]+/g).map(Number);
    return text.startsWith("color(srgb") ? [...numbers.slice(0, 3).map((n) => n * 255), numbers[3] ?? 1]
                                         : [...numbers.slice(0, 3), numbers[3] ?? 1];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = ([r, g, b]) => {
    const part = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  let least = [99, ""];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !parent.checkVisibility() || parent.closest("script,style,noscript,option")) continue;
    if (parent.disabled) continue;
    const ground = behind(parent);
    const ink = over(parse(getComputedStyle(parent).color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    seen += 1;
    if (ratio < least[0]) least = [ratio, `${walker.currentNode.data.slice(0, 40)} (${parent.className})`];
  }
  return { least: least[0], text: least[1], seen };
})()
"""

# How many different colours a canvas shows: one that was not drawn shows one.
COLOURS = r"""
(selector) => {
  const canvas = document.querySelector(selector);
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < data.length; i += 4) colours.add(data[i] << 24 | data[i + 1] << 16 | data[i + 2] << 8 | data[i + 3]);
  return colours.size;
}
"""


class PageTest(unittest.TestCase):
    browser = None
    arguments = None
    pages = {}

    @classmethod
    def page_file(cls, scene):
        if scene not in cls.pages:
            path = os.path.join(cls.arguments.out, f"{scene}.html")
            subprocess.run([cls.arguments.make_page, scene, path], check=True)
            cls.pages[scene] = os.path.abspath(path)
        return cls.pages[scene]

    def show(self, scene="game", **options):
        page = Page(self.browser, **options)
        self.addCleanup(page.close)
        page.seconds = page.open(self.page_file(scene))
        return page

    def wait_for_frames(self, page):
        # The browser places what the mouse does by the last picture: by where things stood before.
        page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def assert_healthy(self, page):
        self.assertEqual(page.problems(), [])
        self.assertEqual([url for url in page.requests() if not url.startswith("file://" + self.arguments.out_path)], [])
        self.assertEqual(len(page.requests()), 1)

    def test_draws_every_section_and_asks_nobody(self):
        page = self.show()
        self.assertEqual(page.run("[...document.querySelectorAll('main > section')].map(s => s.id)"), SECTIONS)
        self.assertEqual(page.run("document.querySelector('h1').textContent"), "naive_game")
        self.assertEqual(page.run("document.querySelectorAll('main section .notice').length"), 0)
        for selector in ("#timeline canvas", "#blocks canvas", "#sizes canvas", "#latencies canvas"):
            self.assertGreater(page.run(f"({COLOURS})('{selector}')"), 5, selector)
        self.assertIn("260", page.run("document.querySelector('#latencies').textContent"))
        self.assert_healthy(page)

    def test_empty_process_says_what_is_missing(self):
        page = self.show("empty")
        self.assertEqual(page.run("document.querySelectorAll('main > section').length"), len(SECTIONS))
        self.assertGreaterEqual(page.run("document.querySelectorAll('.empty').length"), 4)
        self.assert_healthy(page)

    def test_fits_every_width_in_both_themes(self):
        for dark in (False, True):
            for width in WIDTHS:
                page = self.show(width=width, dark=dark)
                with self.subTest(width=width, dark=dark):
                    self.assertLessEqual(page.run("document.documentElement.scrollWidth"), width)
                    name = f"game-{width}-{'dark' if dark else 'light'}.png"
                    self.assertGreater(page.screenshot(os.path.join(self.arguments.out, name)), 20_000)
                    measured = page.run(CONTRAST)
                    self.assertGreater(measured["seen"], 200)
                    self.assertGreaterEqual(measured["least"], 4.5, measured["text"])
                    self.assert_healthy(page)

    def test_themes_differ_and_change_while_open(self):
        page = self.show()
        light = page.run("getComputedStyle(document.body).backgroundColor")
        page.emulate(dark=True)
        page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.assertNotEqual(page.run("getComputedStyle(document.body).backgroundColor"), light)
        self.assertGreater(page.run(f"({COLOURS})('#timeline canvas')"), 5)
        self.assert_healthy(page)

    def timeline_view(self, page):
        return page.run("(({ from, to }) => [Number(from), Number(to)])(document.querySelector('#timeline-plot').dataset)")

    def test_timeline_zooms_by_button_keyboard_and_mouse(self):
        page = self.show()
        everything = self.timeline_view(page)
        width = everything[1] - everything[0]
        coarse = page.run("document.querySelector('#timeline-span').textContent")
        page.run("document.querySelector('[aria-label=\"Zoom in\"]').click()")
        view = self.timeline_view(page)
        self.assertLess(view[1] - view[0], width * 0.6)
        page.run("document.querySelector('#timeline-plot').focus()")
        for _ in range(5):
            page.key("+")
        deep = self.timeline_view(page)
        self.assertLess(deep[1] - deep[0], width / 40)
        self.assertNotEqual(page.run("document.querySelector('#timeline-span').textContent"), coarse)
        page.key("PageDown")
        self.assertGreater(self.timeline_view(page)[0], deep[0])
        page.key("ArrowLeft")
        self.assertIn("application", page.run("document.querySelector('#timeline .readout').textContent"))
        page.key("Home")
        self.assertEqual(self.timeline_view(page), everything)
        # The focus has scrolled the page, or still does.
        page.run("document.querySelector('#timeline').scrollIntoView({ behavior: 'instant' })")
        self.wait_for_frames(page)
        box = page.run("(b => [b.x, b.y, b.width, b.height])(document.querySelector('#timeline canvas').getBoundingClientRect())")
        middle = box[1] + box[3] / 2
        page.mouse("mousePressed", box[0] + box[2] * 0.4, middle)
        page.mouse("mouseMoved", box[0] + box[2] * 0.6, middle)
        page.mouse("mouseReleased", box[0] + box[2] * 0.6, middle)
        dragged = self.timeline_view(page)
        self.assertAlmostEqual((dragged[1] - dragged[0]) / width, 0.2, delta=0.05)
        self.assert_healthy(page)

    def test_zoom_shows_finer_spans_up_to_those_of_the_model(self):
        page = self.show("large")
        text = "document.querySelector('#timeline-span').textContent.split('spans of ')[1]"
        coarse = page.run(text)
        page.run("document.querySelector('#timeline-plot').focus()")
        for _ in range(12):
            page.key("+")
        self.assertNotEqual(page.run(text), coarse)
        self.assertLessEqual(page.run("Chart.getChart(document.querySelector('#timeline canvas')).data.datasets[0].data.length"), 4000)
        self.assert_healthy(page)

    def test_block_map_tells_by_mouse_and_by_keyboard(self):
        page = self.show()
        before = page.run("document.querySelector('#blocks-detail').textContent")
        page.run("document.querySelector('#blocks').scrollIntoView({ behavior: 'instant' })")
        self.wait_for_frames(page)
        box = page.run("(b => [b.x, b.y, b.width, b.height])(document.querySelector('#blocks-map').getBoundingClientRect())")
        page.mouse("mouseMoved", box[0] + 168 + (box[2] - 180) * 0.3, box[1] + 24 + 13)
        hovered = page.run("document.querySelector('#blocks-detail').textContent")
        self.assertNotEqual(hovered, before)
        for word in ("Size", "Place", "Age", "Thread", "Call stack"):
            self.assertIn(word, hovered)
        page.run("document.querySelector('#blocks-map').focus()")
        page.key("ArrowRight")
        stepped = page.run("document.querySelector('#blocks-detail').textContent")
        self.assertNotEqual(stepped, hovered)
        page.key("ArrowDown")
        below = page.run("document.querySelector('#blocks-detail').textContent")
        self.assertNotEqual(below, stepped)
        page.key("End")
        self.assertIn("block 12", page.run("document.querySelector('#blocks-detail').textContent"))
        page.key("Home")
        for _ in range(9):
            page.key("ArrowDown")
        self.assertIn("passed through", page.run("document.querySelector('#blocks-detail').textContent"))
        self.assert_healthy(page)

    def test_filters_and_sorting_change_what_is_shown(self):
        page = self.show()
        rows = "document.querySelectorAll('#holders tbody tr').length"
        everything = page.run(rows)
        page.run("document.querySelector('#holders-filter').focus()")
        page.call("Input.insertText", text="libengine.so+0x1234")
        self.assertLess(page.run(rows), everything)
        self.assertGreater(page.run(rows), 0)
        page.call("Input.insertText", text=" no such thing")
        self.assertEqual(page.run(rows), 0)
        page.run("document.querySelector('#blocks input').focus()")
        page.call("Input.insertText", text="shadow")
        self.assertIn("allocation", page.run("document.querySelector('#blocks-found').textContent"))
        first = "document.querySelector('#latencies tbody tr').textContent"
        before = page.run(first)
        page.run("document.querySelectorAll('#latencies thead button')[0].focus()")
        page.key("Enter")
        page.key("Enter")
        self.assertNotEqual(page.run(first), before)
        page.run("[...document.querySelectorAll('#hotspots .controls button')].find(b => b.textContent === 'By thread').click()")
        self.assertIn("render (4243)", page.run("document.querySelector('#hotspots-table').textContent"))
        self.assert_healthy(page)

    def test_keyboard_reaches_everything_and_shows_where_it_is(self):
        page = self.show()
        page.key("Tab")
        self.assertEqual(page.run("document.activeElement.className"), "skip")
        reached = []
        for _ in range(250):
            page.key("Tab")
            place = page.run("(e => [e.closest('section')?.id ?? e.tagName, getComputedStyle(e).outlineStyle, e.id])(document.activeElement)")
            if place[0] == "BODY" or (place in reached and place[2]):
                break
            self.assertNotEqual(place[1], "none", place)
            reached.append(place)
        self.assertLessEqual(set(SECTIONS) - {"findings"}, {place[0] for place in reached})
        self.assertLessEqual({"timeline-plot", "blocks-map", "holders-filter"}, {place[2] for place in reached})
        page.run("document.querySelector('#sizes .plot').focus()")
        page.key("ArrowRight")
        page.key("ArrowRight")
        self.assertIn("live", page.run("document.querySelector('#sizes .readout').textContent"))
        self.assert_healthy(page)

    def test_elements_have_names_for_those_who_do_not_see_them(self):
        page = self.show()
        nameless = page.run("""[...document.querySelectorAll('button, input, select, [tabindex="0"], a[href]')]
            .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML.slice(0, 80))""")
        self.assertEqual(nameless, [])
        self.assertEqual(page.run("document.documentElement.lang"), "en")

    def test_reduced_motion_and_paper(self):
        page = self.show(reduced=True)
        self.assertEqual(page.run("getComputedStyle(document.documentElement).scrollBehavior"), "auto")
        page.emulate(dark=True, media="print")
        page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.assertEqual(page.run("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)")
        self.assertEqual(page.run("getComputedStyle(document.querySelector('nav')).display"), "none")
        self.assertGreater(len(page.call("Page.printToPDF")["data"]), 10_000)
        self.assert_healthy(page)

    def test_hostile_names_do_nothing(self):
        page = self.show("hostile")
        self.assertIsNone(page.run("window.attacked ?? null"))
        self.assertEqual(page.run("document.querySelectorAll('img, iframe, object, embed, link').length"), 0)
        self.assertEqual(page.run("document.scripts.length"), 3)
        self.assertEqual(page.run("document.querySelectorAll('[onerror], [onload], [onclick]').length"), 0)
        heading = page.run("document.querySelector('h1').textContent")
        self.assertIn("</script><img src=x onerror=", heading)
        self.assertNotIn("\x1b", heading)
        self.assertNotIn("\u202e", page.run("document.body.innerText"))
        page.run("document.querySelector('#blocks-map').focus()")
        page.key("ArrowRight")
        self.assertIn("<img src=x", page.run("document.querySelector('#blocks-detail').textContent"))
        page.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        page.run("new Promise(done => setTimeout(done, 200))")
        self.assertIsNone(page.run("window.attacked ?? null"))
        self.assertLessEqual(page.run("document.documentElement.scrollWidth"), 1000)
        self.assert_healthy(page)

    def test_policy_stops_what_would_get_past_the_escaping(self):
        page = self.show()
        page.run("""(() => {
            const image = document.createElement('div');
            image.innerHTML = '<img src=x onerror="window.attacked = true"><button onclick="window.attacked = true">';
            document.body.append(image);
            image.querySelector('button').click();
            const script = document.createElement('script');
            script.textContent = 'window.attacked = true';
            document.body.append(script);
        })()""")
        page.run("new Promise(done => setTimeout(done, 200))")
        self.assertIsNone(page.run("window.attacked ?? null"))

    def test_large_scenes_open_quickly(self):
        for scene in self.arguments.scenes.split(","):
            page = self.show(scene)
            size = os.path.getsize(self.page_file(scene))
            print(f"{scene}: {size / 1e6:.1f} MB, complete after {page.seconds:.2f} s")
            self.assertLess(page.seconds, OPEN_SECONDS)
            self.assertLess(size, 16e6)
            page.run("document.querySelector('#blocks-map').focus()")
            page.key("End")
            self.assertIn("Size", page.run("document.querySelector('#blocks-detail').textContent"))
            self.assert_healthy(page)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--make-page", required=True, help="the program report_make_page")
    parser.add_argument("--out", required=True, help="where pages and screenshots go")
    parser.add_argument("--scenes", default="large", help="large scenes to open: large,huge")
    parser.add_argument("tests", nargs="*", help="names of tests; all if none")
    arguments = parser.parse_args()
    path = find_chromium()
    if path is None:
        print("skipped: there is no Chromium (Debian: the package chromium)")
        return 77
    os.makedirs(arguments.out, exist_ok=True)
    arguments.out_path = os.path.abspath(arguments.out)
    probe = subprocess.run([arguments.make_page, "empty", os.path.join(arguments.out, "empty.html")], check=False)
    if probe.returncode == 77:
        print("skipped: this build has no report page")
        return 77
    PageTest.arguments = arguments
    PageTest.browser = Browser(path)
    try:
        names = [f"PageTest.{name}" for name in arguments.tests] or None
        return 0 if unittest.main(argv=["page_test", "-v"], exit=False, defaultTest=names).result.wasSuccessful() else 1
    finally:
        PageTest.browser.close()


if __name__ == "__main__":
    sys.exit(main())
