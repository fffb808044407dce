// SPDX-License-Identifier: Apache-2.0
//
// The sections that are texts, tables and bars: from the head of the page to its notes.
import { element, formatBytes, formatCount, formatDuration, formatRate, formatRoundBytes, formatShare, makeSection, plural } from "./format.js";
import { deviceName, model, severalDevices, stackFrames, threadName, typeText } from "./model.js";
import { barChart, compactCount } from "./chart.js";
import { barCell, sortableTable, stackCell } from "./table.js";

const STATES = { live: "running", closed: "closed its last instance", ended: "ended" };

export function fillHeader(header) {
    const { process, source } = model;
    const taken = new Date(model.copied_ns / 1e6);
    const valid = model.copied_ns > 0 && !Number.isNaN(taken.getTime());
    const devices = process.devices.filter((device) => device.name !== "retired").map((device) => device.name);
    const fact = (name, text) => element("span", {}, `${name} `, element("b", {}, text));
    document.title = `${process.process} \u2013 Tessera report`;
    header.append(
        element("div", { class: "mark" }, "Tessera report"),
        element("h1", {}, process.process || "a process without a name"),
        element("p", { class: "facts" },
            fact("pid", String(process.pid)),
            fact("state", STATES[process.state]),
            fact(devices.length === 1 ? "device" : "devices", [...new Set(devices)].join(", ") || "none"),
            fact("layer", process.layer_version || "unknown"),
            fact("level", source.level),
            valid ? fact("as of", taken.toISOString().replace("T", " ").slice(0, 19) + " UTC") : null));
    if (source.remark) header.append(element("p", { class: "notice" }, source.remark));
    if (source.lost > 0)
        header.append(element("p", { class: "notice" }, `${plural(source.lost, "event")} were lost before they could be read: curves and hot spots show less than there was.`));
}

function costCell(finding) {
    if (finding.cost_ns !== null)
        return element("div", { class: "cost" }, formatDuration(finding.cost_ns),
            finding.share !== null ? element("small", {}, formatShare(finding.share)) : null);
    if (finding.cost_bytes !== null) return element("div", { class: "cost" }, formatBytes(finding.cost_bytes));
    return element("div", { class: "cost" });
}

export function findingsSection() {
    const about = "What the numbers say, gravest first, with what it costs where that was measured.";
    if (model.findings.length === 0)
        return makeSection("findings", "Findings", about, element("p", { class: "empty" }, "No rule of the report found anything to say."));
    const items = model.findings.map((finding) => element("li", { "data-rule": finding.rule },
        element("span", { class: `level ${finding.level}` }, finding.level[0].toUpperCase() + finding.level.slice(1)),
        element("p", {}, finding.text), costCell(finding)));
    return makeSection("findings", "Findings", about, element("ul", { class: "findings" }, ...items));
}

function tile(title, value, under, lead = false) {
    return element("div", {}, element("dt", {}, title),
        element("dd", { class: lead ? "value lead" : "value" }, value),
        element("dd", { class: "under" }, under));
}

function summaryTiles() {
    const { app, driver, time, ...summary } = model.summary;
    const about = summary.app_time_estimated ? "about " : "";
    const overhead = -summary.bytes_saved;
    const tiles = [
        tile("Allocations", formatCount(app.allocations), `the driver made ${formatCount(driver.allocations)}`, true),
        tile("Pooled", app.allocations === 0 ? "\u2013" : formatShare(summary.pooled_allocations / app.allocations), `${plural(summary.blocks, "block")}, ${formatBytes(summary.block_free_bytes)} free`),
        tile("Live now", formatBytes(app.live_bytes), `${plural(app.live, "allocation")}; driver ${formatCount(driver.live)}`),
        tile("Driver holds", formatBytes(driver.live_bytes), overhead >= 0 ? `${formatBytes(overhead)} more than asked` : `${formatBytes(-overhead)} less than asked`),
        tile("Highest", formatBytes(app.peak_bytes), `driver ${formatBytes(driver.peak_bytes)}`),
        tile("Time in calls", formatDuration(app.time_ns), `${about ? "estimated; " : ""}driver ${formatDuration(driver.time_ns)}`),
    ];
    if (time.saved_at_least_ns !== null) {
        const saved = time.saved_at_least_ns;
        const basis = `the driver's fastest took ${formatDuration(time.driver_allocate_fastest_ns)}`;
        tiles.push(saved > 0 ? tile("Time saved, at least", formatDuration(saved), basis) : tile("Time saved", "not certain", basis));
    }
    for (const frames of model.frames)
        tiles.push(tile("Frames", formatCount(frames.count), `median ${formatDuration(frames.p50_ns)}, 99 % within ${formatDuration(frames.p99_ns)}`));
    return element("dl", { class: "tiles", style: { "--tiles": String(tiles.length) } }, ...tiles);
}

function typeRows() {
    return model.process.devices.flatMap((device) => device.memory_types
        .filter((type) => type.app.allocations > 0 || type.driver.allocations > 0)
        .map((type) => ({ device, type })));
}

function typesTable() {
    const rows = typeRows();
    if (rows.length === 0) return element("p", { class: "empty" }, "Nothing was ever allocated.");
    const number = (title, value, cell) => ({ title, number: true, value, cell: (row) => cell(value(row)) });
    return sortableTable([
        { title: "Memory", value: (r) => `${r.device.id}/${r.type.index}`, cell: (r) => (severalDevices ? `${deviceName(r.device.id)} (${r.device.id}), ` : "") + typeText(r.device.id, r.type.index) },
        number("Asked for", (r) => r.type.app.allocations, formatCount),
        number("live", (r) => r.type.app.live, formatCount),
        number("bytes", (r) => r.type.app.live_bytes, formatBytes),
        number("highest", (r) => r.type.app.peak_bytes, formatBytes),
        number("Driver made", (r) => r.type.driver.allocations, formatCount),
        number("live", (r) => r.type.driver.live, formatCount),
        number("bytes", (r) => r.type.driver.live_bytes, formatBytes),
        number("highest", (r) => r.type.driver.peak_bytes, formatBytes),
        number("Blocks", (r) => r.type.pooled.blocks, formatCount),
        number("free in them", (r) => r.type.pooled.free_bytes, formatBytes),
    ], rows, { label: "By memory type: what the application asked for and what the driver made" }).root;
}

export function summarySection() {
    const reasons = model.summary.passed_through;
    const passed = reasons.length === 0
        ? element("p", { class: "muted" }, "Nothing was passed through: every allocation lies in a block of the pool.")
        : sortableTable([
            { title: "Passed through because", value: (r) => r.reason, cell: (r) => element("span", {}, r.text, " ", element("span", { class: "muted mono" }, r.reason)) },
            { title: "Allocations", number: true, value: (r) => r.allocations, cell: (r) => formatCount(r.allocations) },
            { title: "Of all", number: true, value: (r) => r.allocations, cell: (r) => formatShare(r.allocations / Math.max(1, model.summary.app.allocations)) },
            { title: "Live", number: true, value: (r) => r.live, cell: (r) => formatCount(r.live) },
            { title: "Bytes", number: true, value: (r) => r.live_bytes, cell: (r) => formatBytes(r.live_bytes) },
        ], reasons, { sort: 1, label: "What was passed through, and why" }).root;
    return makeSection("summary", "Summary", "The two sides of the layer: what the application asked for, and what the driver was asked for.",
        summaryTiles(), typesTable(), element("h3", {}, "Passed through"), passed);
}

function plotParts(label) {
    const holder = element("div", { class: "plot mid", tabindex: "0", role: "group", "aria-label": `${label}. Left and right go through the bars.` });
    const readout = element("p", { class: "readout", role: "status", "aria-live": "polite" });
    return { holder, readout };
}

// Buttons of which one is pressed.
function choice(names, label, choose) {
    const buttons = names.map((name, index) => element("button", { type: "button", class: "tool", "aria-pressed": String(index === 0), on: { click: () => {
        buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === index)));
        choose(index);
    } } }, name));
    return element("span", { role: "group", "aria-label": label, class: "controls" }, ...buttons);
}

export function sizesSection() {
    const sizes = model.sizes;
    const about = "Allocations by size; each bar is one power of two.";
    if (sizes.length === 0) return makeSection("sizes", "Sizes", about, element("p", { class: "empty" }, "Sizes are known at level full and events."));
    const { holder, readout } = plotParts("Sizes of allocations");
    const labels = sizes.map((size) => formatRoundBytes(size.from_bytes));
    const seriesOf = (suffix) => [
        { label: "made while recorded", values: sizes.map((s) => s[`made${suffix}`]), colour: "second" },
        { label: "live", values: sizes.map((s) => s[`live${suffix}`]), colour: "accent" },
    ];
    const tell = (i) => `${labels[i]} to ${formatRoundBytes(Math.max(1, sizes[i].from_bytes * 2))}: ${plural(sizes[i].live, "allocation")} live with ${formatBytes(sizes[i].live_bytes)}, ${formatCount(sizes[i].made)} made with ${formatBytes(sizes[i].made_bytes)}`;
    const chart = barChart({ holder, readout, labels, series: seriesOf(""), format: compactCount, tell });
    const swatch = (name, text) => element("span", { class: "key" }, element("span", { class: "swatch", style: { background: `var(--${name})` } }), text);
    const controls = element("div", { class: "controls" }, choice(["Count", "Bytes"], "Unit of the bars", (index) =>
        chart.update({ series: seriesOf(index === 0 ? "" : "_bytes"), format: index === 0 ? compactCount : formatRoundBytes })),
        element("span", { class: "grow" }), swatch("second", "Made while recorded"), swatch("accent", "Live"));
    return makeSection("sizes", "Sizes", about, controls, holder, readout);
}

// Shares of the timed calls, by bucket, over the buckets that any side uses.
function latencyBars(call) {
    const floors = model.latencies.bucket_floors_ns;
    const sides = [call.app, call.driver];
    const used = sides.flatMap((side) => (side ? side.buckets.map(([bucket]) => bucket) : []));
    if (used.length === 0) return null;
    const first = used.reduce((a, b) => Math.min(a, b));
    const last = used.reduce((a, b) => Math.max(a, b));
    const count = last - first + 1;
    const spread = (side) => {
        const values = new Array(count).fill(0);
        const total = side ? side.buckets.reduce((sum, [, n]) => sum + n, 0) : 0;
        if (side) for (const [bucket, n] of side.buckets) values[bucket - first] = n / total;
        return values;
    };
    return {
        labels: Array.from({ length: count }, (_, i) => formatDuration(floors[first + i])),
        series: [
            { label: "application", values: spread(call.app), colour: "accent" },
            { label: "driver", values: spread(call.driver), colour: "second" },
        ],
        tell: (i) => `${formatDuration(floors[first + i])} to ${formatDuration(floors[first + i + 1] ?? Infinity)}: ${formatShare(spread(call.app)[i])} of the application's calls, ${formatShare(spread(call.driver)[i])} of the driver's`,
    };
}

export function latenciesSection() {
    const calls = model.latencies.calls;
    const about = "How long calls took: as the application waited for them, and as the layer waited for the driver.";
    if (calls.length === 0) return makeSection("latencies", "Latencies", about, element("p", { class: "empty" }, "No call was made."));
    const { holder, readout } = plotParts("Latencies of the chosen call");
    const title = element("h3", { id: "latencies-call" });
    const timed = (call) => latencyBars(call) !== null;
    let shown = calls.find((call) => call.call === "vkAllocateMemory" && timed(call)) ?? calls.find(timed) ?? null;
    let chart = null;
    function choose(call) {
        const bars = latencyBars(call);
        if (!bars) return;
        shown = call;
        title.textContent = call.call;
        if (chart) chart.update(bars);
        else chart = barChart({ holder, readout, format: (share) => formatShare(share), ...bars });
    }
    if (shown) choose(shown);
    const ns = (side, key) => (call) => (call[side] ? call[side][key] : null);
    const column = (heading, value, format) => ({ title: heading, number: true, value, cell: (call) => (value(call) === null ? "\u2013" : format(value(call))) });
    const table = sortableTable([
        { title: "Call", value: (c) => c.call, cell: (c) => (timed(c)
            ? element("button", { type: "button", class: "link", on: { click: () => { choose(c); mark(); } } }, c.call)
            : element("span", { class: "mono" }, c.call)) },
        column("Calls", ns("app", "count"), formatCount),
        column("mean", ns("app", "mean_ns"), formatDuration),
        column("p50", ns("app", "p50_ns"), formatDuration),
        column("p99", ns("app", "p99_ns"), formatDuration),
        column("slowest", ns("app", "max_ns"), formatDuration),
        column("Driver calls", ns("driver", "count"), formatCount),
        column("mean", ns("driver", "mean_ns"), formatDuration),
        column("p99", ns("driver", "p99_ns"), formatDuration),
        column("slowest", ns("driver", "max_ns"), formatDuration),
    ], calls, { sort: 1, label: "Latencies by call", isSelected: (call) => call === shown });
    const mark = () => table.filter(() => true);
    const swatch = (name, text) => element("span", { class: "key" }, element("span", { class: "swatch", style: { background: `var(--${name})` } }), text);
    return makeSection("latencies", "Latencies", about,
        element("div", { class: "pair" },
            element("div", {}, table.root),
            element("div", {}, element("div", { class: "controls" }, title, element("span", { class: "grow" }), swatch("accent", "Application"), swatch("second", "Driver")), holder, readout)));
}

function hotSpotTable(kind, spots) {
    const most = Math.max(1, ...spots.map((spot) => spot.cost_ns ?? 0));
    const heads = {
        by_size: { title: "Size", descending: true, value: (s) => s.size_bytes, cell: (s) => (s.size_class ? "about " : "") + formatBytes(s.size_bytes) },
        by_stack: { title: "Call stack", cell: (s) => stackCell(stackFrames(s.stack)) },
        by_thread: { title: "Thread", value: (s) => threadName(s.thread) ?? "", cell: (s) => threadName(s.thread) ?? "not known" },
    };
    return sortableTable([
        heads[kind],
        { title: "Allocations", number: true, value: (s) => s.allocations, cell: (s) => formatCount(s.allocations) },
        { title: "Frees", number: true, value: (s) => s.frees, cell: (s) => formatCount(s.frees) },
        { title: "Per second", number: true, value: (s) => s.per_second, cell: (s) => formatRate(s.per_second) },
        { title: "Timed", number: true, value: (s) => s.timed, cell: (s) => (s.timed > 0 || s.cost_ns === null ? formatCount(s.timed) : "mean of all") },
        { title: "Cost", number: true, value: (s) => s.cost_ns, cell: (s) => (s.cost_ns === null ? "\u2013" : barCell(formatDuration(s.cost_ns), s.cost_ns / most)) },
    ], spots, { sort: 5, tall: true, label: `Hot spots ${kind.replace("_", " ")}` }).root;
}

export function hotSpotsSection() {
    const churn = model.churn;
    const about = "Who allocates and frees again and again. Cost: calls times what the timed ones of them took on average.";
    if (churn.by_size.top.length === 0)
        return makeSection("hotspots", "Hot spots", about, element("p", { class: "empty" }, "Single calls are known at level events."));
    const kinds = ["by_size", "by_stack", "by_thread"];
    const holder = element("div", { id: "hotspots-table" });
    const show = (index) => {
        const kind = kinds[index];
        const left = churn[kind].groups - churn[kind].top.length;
        holder.replaceChildren(hotSpotTable(kind, churn[kind].top),
            left > 0 ? element("p", { class: "muted" }, `${plural(left, "group")} that cost less are not shown.`) : "");
    };
    show(0);
    return makeSection("hotspots", "Hot spots", about,
        element("div", { class: "controls" }, choice(["By size", "By call stack", "By thread"], "Group by", show),
            element("span", { class: "grow" }),
            element("span", { class: "muted" }, `over ${formatDuration(churn.seconds * 1e9)}`)), holder);
}

export function holdersSection() {
    const { holders } = model;
    const leaked = holders.leaked > 0;
    const title = leaked ? "Leaks" : "Holders";
    const about = leaked
        ? `${plural(holders.leaked, "allocation")}, ${formatBytes(holders.leaked_bytes)}, still lived when their device or process ended.`
        : "What is allocated, by where it came from: call stack, else name, else use and size.";
    if (holders.top.length === 0)
        return makeSection("holders", title, about, element("p", { class: "empty" },
            model.map.known ? "Nothing is allocated." : "Allocations by themselves are known at level full and events."));
    const most = Math.max(1, ...holders.top.map((holder) => holder.bytes));
    const uses = new Map(model.map.uses.map((use) => [use.name, use.text]));
    const words = (h) => [h.name ?? "", h.what ?? "", uses.get(h.use), ...stackFrames(h.stack)].join("\n").toLowerCase();
    // Of allocations that differ, what one of them holds would mislead.
    const titleOf = (h) => h.name ?? (h.size_bytes === null ? null : h.what) ?? uses.get(h.use);
    const origin = (h) => element("div", {}, titleOf(h),
        h.stack === null ? null : stackCell(stackFrames(h.stack)));
    const columns = [
        { title: "What", value: titleOf, cell: origin },
        { title: "Use", value: (h) => h.use, cell: (h) => element("span", {}, element("span", { class: "swatch", style: { background: `var(--use-${h.use})` } }), uses.get(h.use)) },
        { title: "Count", number: true, value: (h) => h.count, cell: (h) => formatCount(h.count) },
        { title: "Each", number: true, value: (h) => h.size_bytes, cell: (h) => (h.size_bytes === null ? "various" : formatBytes(h.size_bytes)) },
        { title: "Bytes", number: true, value: (h) => h.bytes, cell: (h) => barCell(formatBytes(h.bytes), h.bytes / most) },
        { title: "Oldest", number: true, value: (h) => h.oldest_ns, cell: (h) => (h.oldest_ns === null ? "\u2013" : formatDuration(h.oldest_ns)) },
    ];
    if (leaked) columns.push({ title: "Leaked", value: (h) => (h.leaked ? "yes" : "no"), cell: (h) => (h.leaked ? "yes" : "no") });
    const table = sortableTable(columns, holders.top, { sort: 4, tall: true, limit: 100, label: title });
    const filter = element("input", { type: "search", id: "holders-filter", placeholder: "Name, use or function", "aria-label": "Show only what contains", on: { input: (event) => {
        const wanted = event.target.value.toLowerCase();
        table.filter((holder) => words(holder).includes(wanted));
    } } });
    const left = holders.left_out > 0 ? element("p", { class: "muted" }, `${plural(holders.left_out, "holder")} of fewer bytes are not shown.`) : null;
    return makeSection("holders", title, about, element("div", { class: "controls" }, filter), table.root, left);
}

export function fillFooter(footer) {
    const { source } = model;
    const kinds = Object.entries(source.events_by_kind).map(([kind, count]) => `${formatCount(count)} ${kind.replace("_", " ")}`);
    footer.append(element("p", {}, `From ${source.recording ? "the recording" : "the statistics of process"} ${source.what}: ${plural(source.samples, "sample")}, ${plural(source.events, "event")}${kinds.length ? ` (${kinds.join(", ")})` : ""}. This file holds everything it shows and asks nobody for anything.`));
}
