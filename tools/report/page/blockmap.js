// SPDX-License-Identifier: Apache-2.0
//
// What lies where: a row for each block, its allocations in their places.
//
// The one idea: only the rows in view are drawn, on one canvas that stays put while its holder
// scrolls, so that two thousand blocks cost no more than twenty. One allocation is current, by the
// mouse or the keyboard; what is known of it stands beside the map.
import { element, formatBytes, formatCount, formatDuration, formatRoundBytes, formatShare, makeSection, plural } from "./format.js";
import { deviceName, model, severalDevices, stackFrames, threadName, typeText } from "./model.js";
import { drawThemed, palette } from "./chart.js";
import { stackList } from "./table.js";

const ROW = 26;
const HEAD = 24;
const BAR = 16;
const SLOT = { offset: 0, bytes: 1, used: 2, count: 3, use: 4, name: 5, what: 6, age: 7, thread: 8, stack: 9 };
const BLOCK_FLAGS = ["for one allocation", "for large allocations", "for buffers and linear images",
    "for optimal images", "for buffers with addresses"];

const textOf = (number) => (number === null ? "" : model.texts[number]);

// Rows from top to bottom: a heading before the first block of each memory type.
function makeRows() {
    const rows = [];
    let top = 0;
    let previous = null;
    for (const block of model.map.blocks) {
        const group = `${block.device}/${block.type}`;
        if (group !== previous) {
            const device = severalDevices ? `${deviceName(block.device)}, ` : "";
            rows.push({ top, height: HEAD, heading: device + typeText(block.device, block.type) });
            top += HEAD;
            previous = group;
        }
        rows.push({ top, height: ROW, block });
        top += ROW;
    }
    return rows;
}

export function blockMapSection() {
    const map = model.map;
    const about = "Each row is a block of the driver, from its start to its end; what is empty is free.";
    if (!map.known || map.blocks.length === 0) {
        const why = map.known ? "Nothing is allocated." : "Allocations by themselves are known at level full and events: `tessera level PID full`, or the setting level.";
        return makeSection("blocks", "Block map", about, element("p", { class: "empty" }, why));
    }
    const rows = makeRows();
    const blockRows = rows.filter((row) => row.block);
    const height = rows.at(-1).top + rows.at(-1).height;
    const hidden = new Set();
    let wanted = "";
    let current = null;  // { row, slot }

    const canvas = element("canvas", { "aria-hidden": "true" });
    // As high as all rows; the canvas sticks to the part of it that is in view.
    const space = element("div", { class: "map-space", style: { height: `${height + 6}px` } }, canvas);
    const viewport = element("div", { class: "map-view", id: "blocks-map", tabindex: "0", role: "group",
        "aria-label": "Block map. Left and right go through the allocations of a block, up and down through the blocks." }, space);
    const detail = element("div", { class: "detail", id: "blocks-detail", role: "status", "aria-live": "polite" });
    detail.append(element("p", { class: "muted" }, "Point at an allocation, or focus the map and use the arrow keys."));
    viewport.style.setProperty("height", `${Math.min(height + 8, 480)}px`);

    function geometry() {
        const width = viewport.clientWidth;
        const label = width < 520 ? 92 : 168;
        return { width, label, bar: Math.max(10, width - label - 12) };
    }

    function matches(slot) {
        if (hidden.has(slot[SLOT.use])) return false;
        if (wanted === "") return true;
        return textOf(slot[SLOT.name]).toLowerCase().includes(wanted) || textOf(slot[SLOT.what]).toLowerCase().includes(wanted);
    }

    function draw() {
        const colours = palette();
        const { width, label, bar } = geometry();
        const view = viewport.clientHeight;
        const scale = window.devicePixelRatio || 1;
        canvas.width = Math.round(width * scale);
        canvas.height = Math.round(view * scale);
        canvas.style.setProperty("width", `${width}px`);
        canvas.style.setProperty("height", `${view}px`);
        const ctx = canvas.getContext("2d");
        ctx.setTransform(scale, 0, 0, scale, 0, -viewport.scrollTop * scale);
        ctx.clearRect(0, viewport.scrollTop, width, view);
        ctx.textBaseline = "middle";
        const font = getComputedStyle(document.body).fontFamily;
        const fills = model.map.uses.map((use) => colours.use(use.name));
        for (const row of rows) {
            if (row.top + row.height < viewport.scrollTop || row.top > viewport.scrollTop + view) continue;
            if (row.heading) {
                ctx.font = `600 12px ${font}`;
                ctx.fillStyle = colours.text;
                ctx.fillText(row.heading, 8, row.top + HEAD / 2 + 2, width - 16);
            } else {
                ctx.font = `12px ${font}`;
                drawBlock(ctx, row, { colours, fills, label, bar });
            }
        }
    }

    function drawBlock(ctx, row, { colours, fills, label, bar }) {
        const block = row.block;
        const middle = row.top + ROW / 2;
        const y = middle - BAR / 2;
        const name = block.number === null ? "Passed" : `#${block.number}`;
        ctx.fillStyle = colours.muted;
        ctx.fillText(name, 8, middle);
        ctx.textAlign = "right";
        const size = formatRoundBytes(block.bytes);
        const wideLabel = label > 100;
        if (wideLabel || block.number !== null)
            ctx.fillText(wideLabel && block.number !== null ? `${size}, ${formatShare(block.used_bytes / block.bytes)}` : size, label - 10, middle);
        ctx.textAlign = "left";
        ctx.fillStyle = colours.raised;
        ctx.fillRect(label, y, bar, BAR);
        const scale = bar / block.bytes;
        for (const slot of block.slots) {
            const x = label + slot[SLOT.offset] * scale;
            const wide = Math.max(slot[SLOT.bytes] * scale, 0.75);
            ctx.globalAlpha = matches(slot) ? 1 : 0.12;
            ctx.fillStyle = fills[slot[SLOT.use]];
            // A gap to the next one, where there is room for it.
            ctx.fillRect(x, y, wide > 3 ? wide - 0.75 : wide, BAR);
        }
        ctx.globalAlpha = 1;
        if (current && current.row === row) {
            const slot = block.slots[current.slot];
            ctx.strokeStyle = colours.text;
            ctx.lineWidth = 2;
            const x = label + slot[SLOT.offset] * scale;
            ctx.strokeRect(x - 1, y - 2, Math.max(slot[SLOT.bytes] * scale, 2) + 2, BAR + 4);
        }
    }

    function fact(title, text) {
        return text === "" || text === null ? [] : [element("dt", {}, title), element("dd", {}, text)];
    }

    function show(row, index) {
        current = { row, slot: index };
        const block = row.block;
        const slot = block.slots[index];
        const several = slot[SLOT.count] > 1;
        const name = textOf(slot[SLOT.name]);
        const title = several ? plural(slot[SLOT.count], "allocation") : name || "Allocation without a name";
        const use = model.map.uses[slot[SLOT.use]];
        const place = block.number === null ? "by itself, passed through" : `block ${block.number}, at ${formatBytes(slot[SLOT.offset])}`;
        const padding = slot[SLOT.bytes] - slot[SLOT.used];
        const flags = BLOCK_FLAGS.filter((_, bit) => block.flags >> bit & 1).join(", ");
        const frames = stackFrames(slot[SLOT.stack]);
        const list = element("dl", {},
            ...fact("Size", formatBytes(slot[SLOT.used])),
            ...fact("Padding", padding > 0 ? formatBytes(padding) : null),
            ...fact("Place", place),
            ...fact(several ? "Among them" : "", several ? name : null),
            ...fact("Use", element("span", {}, element("span", { class: "swatch", style: { background: `var(--use-${use.name})` } }), use.text)),
            ...fact("Bound", textOf(slot[SLOT.what])),
            ...fact("Age", slot[SLOT.age] === null ? "not known" : (several ? "at most " : "") + formatDuration(slot[SLOT.age])),
            ...fact("Thread", threadName(slot[SLOT.thread])),
            ...fact("Block", `${formatBytes(block.bytes)}, ${plural(block.allocations, "allocation")}, largest gap ${formatBytes(block.largest_free_bytes)}${flags ? `; ${flags}` : ""}${block.driver_ns ? `; the driver took ${formatDuration(block.driver_ns)}` : ""}`));
        detail.replaceChildren(element("h3", {}, title), list,
            frames.length ? element("h3", {}, "Call stack") : element("p", { class: "muted" }, "No call stack was taken."),
            frames.length ? stackList(frames) : "");
        draw();
    }

    function slotAt(event) {
        const box = viewport.getBoundingClientRect();
        const y = event.clientY - box.top - viewport.clientTop + viewport.scrollTop;
        const { label, bar } = geometry();
        const row = blockRows.find((one) => y >= one.top && y < one.top + one.height);
        if (!row || row.block.slots.length === 0) return null;
        const at = (event.clientX - box.left - viewport.clientLeft - label) / bar * row.block.bytes;
        const near = row.block.bytes / bar * 2;
        let best = -1;
        let distance = near;
        row.block.slots.forEach((slot, i) => {
            const off = Math.max(slot[SLOT.offset] - at, at - slot[SLOT.offset] - slot[SLOT.bytes], 0);
            if (off < distance || (off === 0 && best < 0)) [best, distance] = [i, off];
        });
        return best < 0 ? null : { row, slot: best };
    }

    // What the map begins with: the largest allocation in view.
    function showLargest() {
        let best = null;
        for (const row of blockRows.slice(0, 16)) {
            row.block.slots.forEach((slot, i) => {
                if (slot[SLOT.count] === 1 && (!best || slot[SLOT.used] > best.used)) best = { row, i, used: slot[SLOT.used] };
            });
        }
        if (best) show(best.row, best.i);
    }

    function reveal(row) {
        if (row.top < viewport.scrollTop) viewport.scrollTop = row.top - HEAD;
        const low = row.top + row.height - viewport.clientHeight;
        if (low > viewport.scrollTop) viewport.scrollTop = low + 4;
    }

    function go(steps, rowSteps) {
        const filled = blockRows.filter((row) => row.block.slots.length > 0);
        if (filled.length === 0) return;
        if (!current) return arrive(filled[0], 0);
        let at = filled.indexOf(current.row);
        if (rowSteps !== 0) {
            at = Math.max(0, Math.min(filled.length - 1, at + rowSteps));
            return arrive(filled[at], Math.min(current.slot, filled[at].block.slots.length - 1));
        }
        let slot = current.slot + steps;
        if (slot < 0 && at > 0) return arrive(filled[at - 1], filled[at - 1].block.slots.length - 1);
        if (slot >= filled[at].block.slots.length && at + 1 < filled.length) return arrive(filled[at + 1], 0);
        slot = Math.max(0, Math.min(filled[at].block.slots.length - 1, slot));
        return arrive(filled[at], slot);
    }

    function arrive(row, slot) {
        reveal(row);
        show(row, slot);
    }

    viewport.addEventListener("keydown", (event) => {
        const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
            PageUp: [0, -10], PageDown: [0, 10], Home: [0, -1e9], End: [0, 1e9] };
        const step = keys[event.key];
        if (!step) return;
        event.preventDefault();
        go(...step);
    });
    viewport.addEventListener("pointermove", (event) => {
        const found = slotAt(event);
        if (found && !(current && current.row === found.row && current.slot === found.slot)) show(found.row, found.slot);
    });
    viewport.addEventListener("scroll", draw);
    new ResizeObserver(draw).observe(viewport);
    showLargest();
    drawThemed(() => { requestAnimationFrame(draw); return null; });

    const legend = model.map.uses.map((use, index) => (use.allocations === 0 ? null : element("button",
        { type: "button", class: "tool legend key", "aria-pressed": "true", on: { click: (event) => {
            if (hidden.has(index)) hidden.delete(index); else hidden.add(index);
            event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(index)));
            draw();
        } } },
        element("span", { class: "swatch", style: { background: `var(--use-${use.name})` } }),
        `${use.text} ${formatBytes(use.bytes)}`)));
    const filter = element("input", { type: "search", placeholder: "Name or use", "aria-label": "Show only allocations whose name or use contains",
        on: { input: (event) => { wanted = event.target.value.toLowerCase(); draw(); tellMatches(); } } });
    const found = element("span", { class: "muted", role: "status", id: "blocks-found" });
    function tellMatches() {
        let count = 0;
        for (const row of blockRows)
            for (const slot of row.block.slots) if (matches(slot)) count += slot[SLOT.count];
        found.textContent = wanted === "" ? "" : plural(count, "allocation");
    }
    const notes = [];
    if (map.merged_allocations > 0) notes.push(`${formatCount(map.merged_allocations)} allocations are too small to be drawn alone and are merged with their neighbours.`);
    if (map.left_out > 0) notes.push(`${plural(map.left_out, "block")} with the least in them are not shown.`);
    return makeSection("blocks", "Block map", about,
        element("div", { class: "controls" }, filter, found, ...legend),
        element("div", { class: "map" }, viewport, detail),
        notes.length ? element("p", { class: "muted" }, notes.join(" ")) : null);
}
