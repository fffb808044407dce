// SPDX-License-Identifier: Apache-2.0
//
// Puts the page together. Should a section fail, the others stand, and the failure is told in its
// place and to the browser's console.
import { element, makeSection } from "./format.js";
import { timelineSection } from "./timeline.js";
import { blockMapSection } from "./blockmap.js";
import { fillFooter, fillHeader, findingsSection, holdersSection, hotSpotsSection, latenciesSection, sizesSection, summarySection } from "./sections.js";

const parts = [
    ["findings", "Findings", findingsSection],
    ["summary", "Summary", summarySection],
    ["timeline", "Timeline", timelineSection],
    ["blocks", "Block map", blockMapSection],
    ["sizes", "Sizes", sizesSection],
    ["latencies", "Latencies", latenciesSection],
    ["hotspots", "Hot spots", hotSpotsSection],
    ["holders", "Holders", holdersSection],
];

fillHeader(document.getElementById("top"));
const main = document.getElementById("main");
main.replaceChildren();
const links = parts.map(([id, title, make]) => {
    let section = null;
    try {
        section = make();
    } catch (error) {
        console.error(error);
        section = makeSection(id, title, null, element("p", { class: "notice" }, `This section could not be drawn: ${error.message}`));
    }
    main.append(section);
    return element("a", { href: `#${id}` }, section.querySelector("h2").textContent);
});
document.getElementById("contents").append(element("ul", {}, ...links.map((link) => element("li", {}, link))));
fillFooter(document.getElementById("foot"));

// The link of the section that is at the top of the window is marked.
const visible = new Set();
const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
        if (entry.isIntersecting) visible.add(entry.target.id);
        else visible.delete(entry.target.id);
    }
    const first = parts.find(([id]) => visible.has(id));
    for (const link of links) {
        if (first && link.hash === `#${first[0]}`) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
    }
}, { rootMargin: "-10% 0px -60% 0px" });
for (const section of main.children) observer.observe(section);
document.documentElement.dataset.ready = "true";
