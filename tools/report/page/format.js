// SPDX-License-Identifier: Apache-2.0
//
// Numbers as people read them, and elements made from texts.
//
// The one idea: nothing here takes markup. What comes from an application reaches the page through
// element(), as text, and through shown(), which makes visible what could hide or turn it.

const GROUPED = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

// "61,250"
export function formatCount(count) {
    return GROUPED.format(count);
}

// "612.4 MiB", "-3.0 KiB"
export function formatBytes(bytes) {
    if (bytes < 0) return "\u2212" + formatBytes(-bytes);
    if (bytes < 1024) return `${Math.round(bytes)} B`;
    const units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let value = bytes / 1024;
    let unit = 0;
    while (value >= 1023.95 && unit + 1 < units.length) {
        value /= 1024;
        unit += 1;
    }
    return `${value.toFixed(1)} ${units[unit]}`;
}

// "64 MiB" where that is exact: for axes and blocks.
export function formatRoundBytes(bytes) {
    return formatBytes(bytes).replace(".0 ", " ");
}

// "812 ns", "7.1 us", "2.4 ms", "1.5 s", "3 min 20 s", "5 h 12 min"
export function formatDuration(ns) {
    if (ns < 0) return "\u2212" + formatDuration(-ns);
    if (ns < 1e3) return `${Math.round(ns)} ns`;
    if (ns < 999.95e3) return `${(ns / 1e3).toFixed(1)} \u00b5s`;
    if (ns < 999.95e6) return `${(ns / 1e6).toFixed(1)} ms`;
    if (ns < 59.95e9) return `${(ns / 1e9).toFixed(1)} s`;
    const seconds = Math.round(ns / 1e9);
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
    const minutes = Math.floor(seconds / 60);
    return `${formatCount(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

// "41 %", "0.3 %"; never 0 or 100 unless it is exactly that.
export function formatShare(share) {
    if (share <= 0) return "0 %";
    const percent = share * 100;
    if (percent < 0.1) return "< 0.1 %";
    if (percent < 9.95) return `${percent.toFixed(1)} %`;
    if (percent < 100 && percent > 99) return `${Math.min(percent, 99.9).toFixed(1)} %`;
    return `${percent.toFixed(0)} %`;
}

export function formatRate(perSecond) {
    if (perSecond === null) return "\u2013";
    return perSecond < 10 ? perSecond.toFixed(1) : formatCount(perSecond);
}

export function plural(count, noun) {
    return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

// Control characters and marks that turn the direction of text, as \xNN or \uNNNN.
export function shown(text) {
    return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
        (c) => {
            const code = c.charCodeAt(0);
            return code < 256 ? "\\x" + code.toString(16).padStart(2, "0")
                              : "\\u" + code.toString(16).padStart(4, "0");
        });
}

// element("p", { class: "muted" }, "text", child, ...). Attributes that are null are left out; `on`
// has listeners by event; `style` goes through the object model, which the page's policy allows.
export function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === undefined || value === false) continue;
        if (name === "on") {
            for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
        } else if (name === "style") {
            for (const [property, text] of Object.entries(value)) made.style.setProperty(property, text);
        } else {
            made.setAttribute(name, value === true ? "" : value);
        }
    }
    for (const child of children.flat()) {
        if (child === null || child === undefined) continue;
        made.append(child instanceof Node ? child : shown(child));
    }
    return made;
}

// A section of the page with its heading; `about`: one line on what it shows.
export function makeSection(id, title, about, ...children) {
    const heading = element("h2", { id: `${id}-title` }, title);
    return element("section", { id, "aria-labelledby": `${id}-title` },
        element("div", { class: "head" }, heading, about ? element("p", { class: "about" }, about) : null),
        ...children);
}
