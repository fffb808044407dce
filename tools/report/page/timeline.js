// SPDX-License-Identifier: Apache-2.0
//
// Bytes and counts over time, of one heap at a time.
//
// The one idea: the model keeps up to 16,384 spans of time, each with its lowest and highest value. As
// many neighbours are merged as it takes to have at most 1,300 on the screen, so no peak is lost at
// any zoom, and zooming in shows finer spans until they are those of the model.
import { element, formatBytes, formatCount, formatDuration, formatRoundBytes, makeSection } from "./format.js";
import { deviceName, heapText, model, severalDevices } from "./model.js";
import { axis, compactCount, drawThemed, palette } from "./chart.js";

const MAX_SPANS = 1300;

// The place in `index` of the first entry that is at least `wanted`.
function firstAtLeast(index, wanted) {
    let low = 0;
    let high = index.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (index[middle] < wanted) low = middle + 1;
        else high = middle;
    }
    return low;
}

// Points of a curve between two spans, in seconds since the origin. At most three for each of
// MAX_SPANS groups: a step to the lowest, the highest and the last value of the group.
export function curvePoints(curve, from, to, spanSeconds) {
    const factor = Math.max(1, Math.ceil((to - from + 1) / MAX_SPANS));
    const points = [];
    let i = firstAtLeast(curve.index, from);
    points.push({ x: from * spanSeconds, y: i > 0 ? curve.last[i - 1] : curve.first });
    while (i < curve.index.length && curve.index[i] <= to) {
        const group = Math.floor(curve.index[i] / factor);
        let [min, max, last] = [curve.min[i], curve.max[i], curve.last[i]];
        for (i += 1; i < curve.index.length && Math.floor(curve.index[i] / factor) === group; i += 1) {
            min = Math.min(min, curve.min[i]);
            max = Math.max(max, curve.max[i]);
            last = curve.last[i];
        }
        const x = Math.max(from, group * factor) * spanSeconds;
        for (const y of [min, max, last])
            if (points.at(-1).y !== y) points.push({ x, y });
    }
    points.push({ x: (to + 1) * spanSeconds, y: points.at(-1).y });
    return points;
}

function valueAt(curve, span) {
    const i = firstAtLeast(curve.index, span + 1);
    return i === 0 ? curve.first : curve.last[i - 1];
}

function timeText(seconds, width) {
    if (width < 1e-3) return `${(seconds * 1e6).toFixed(width < 1e-5 ? 1 : 0)} \u00b5s`;
    if (width < 1) return `${(seconds * 1e3).toFixed(width < 0.01 ? 2 : 0)} ms`;
    if (width < 600) return `${seconds.toFixed(width < 10 ? 2 : width < 60 ? 1 : 0)} s`;
    return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")} min`;
}

// The section with both charts and everything that moves them.
export function timelineSection() {
    const data = model.timeline;
    const about = "What is held at each moment: what the application asked for, and what the driver gave.";
    if (data.heaps.length === 0)
        return makeSection("timeline", "Timeline", about, element("p", { class: "empty" }, "Nothing was recorded over time."));

    const spanSeconds = data.span_ns / 1e9;
    const lastSpan = Math.max(1, Math.floor((data.end_ns - data.origin_ns) / data.span_ns));
    const most = (heap) => heap.app_bytes.max.reduce((a, b) => Math.max(a, b), 0);
    let heap = data.heaps.reduce((a, b) => (most(b) > most(a) ? b : a));
    let view = { from: 0, to: lastSpan };
    let cursor = null;
    let selection = null;

    const readout = element("p", { class: "readout", role: "status", "aria-live": "polite" });
    const plots = element("div", { class: "plots", id: "timeline-plot", tabindex: "0", role: "group",
        "aria-label": "Timeline. Left and right move the cursor, plus and minus zoom, Page Up and Page Down move the view, Home shows all." });
    const bytesHolder = element("div", { class: "plot" });
    const countHolder = element("div", { class: "plot low" });
    plots.append(bytesHolder, countHolder);
    const charts = [
        makeChart(bytesHolder, ["app_bytes", "driver_bytes"], formatRoundBytes, () => heap.budget_bytes),
        makeChart(countHolder, ["app_live", "driver_live"], compactCount, () => null),
    ];

    function makeChart(holder, keys, format, limit) {
        const canvas = element("canvas", { "aria-hidden": "true" });
        holder.append(canvas);
        const entry = drawThemed((colours) => new Chart(canvas, {
            type: "line",
            data: { datasets: datasets(keys, colours) },
            plugins: [{ id: "cursor", afterDatasetsDraw: (chart) => drawCursor(chart, limit()) }],
            options: {
                parsing: false, normalized: true, events: [],
                layout: { padding: { right: 4 } },
                scales: {
                    x: axis(colours, { type: "linear", ...bounds(), grid: { display: false },
                        ticks: { maxTicksLimit: 9, includeBounds: false, callback: (value) => timeText(value, (view.to - view.from + 1) * spanSeconds) } }),
                    y: axis(colours, { beginAtZero: true, afterFit: (scale) => { scale.width = 76; },
                        ticks: { maxTicksLimit: 5, callback: (value) => format(value), ...byteSteps(keys) } }),
                },
            },
        }));
        return { entry, keys };
    }

    // Steps that are round in binary units.
    function byteSteps(keys) {
        if (keys[0] !== "app_bytes") return { precision: 0 };
        const top = Math.max(1, most(heap), heap.driver_bytes.max.reduce((a, b) => Math.max(a, b), 0));
        return { stepSize: 2 ** Math.ceil(Math.log2(top / 4)) };
    }

    function bounds() {
        return { min: view.from * spanSeconds, max: (view.to + 1) * spanSeconds };
    }

    function datasets(keys, colours) {
        const points = (key) => curvePoints(heap[key], view.from, view.to, spanSeconds);
        const common = { stepped: true, pointRadius: 0, borderJoinStyle: "round" };
        return [
            { ...common, data: points(keys[0]), borderColor: colours.accent, borderWidth: 1.75, fill: "origin", backgroundColor: colours.accentSoft },
            { ...common, data: points(keys[1]), borderColor: colours.second, borderWidth: 1.25 },
        ];
    }

    function drawCursor(chart, limit) {
        const colours = palette();
        const { ctx, chartArea: area, scales: { x, y } } = chart;
        ctx.save();
        if (limit && limit <= y.max) {
            ctx.strokeStyle = colours.warning;
            ctx.setLineDash([5, 4]);
            line(ctx, area.left, y.getPixelForValue(limit), area.right, y.getPixelForValue(limit));
            ctx.setLineDash([]);
        }
        if (selection) {
            const [a, b] = selection.map((span) => x.getPixelForValue(span * spanSeconds));
            ctx.fillStyle = colours.accentSoft;
            ctx.fillRect(Math.min(a, b), area.top, Math.abs(b - a), area.bottom - area.top);
        }
        if (cursor !== null && cursor >= view.from && cursor <= view.to) {
            const at = x.getPixelForValue((cursor + 0.5) * spanSeconds);
            ctx.strokeStyle = colours.strongLine;
            line(ctx, at, area.top, at, area.bottom);
        }
        ctx.restore();
    }

    function line(ctx, x0, y0, x1, y1) {
        ctx.lineWidth = 1;
        ctx.beginPath();
        ctx.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
        ctx.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
        ctx.stroke();
    }

    // Draws what the view shows now.
    function refresh() {
        const colours = palette();
        for (const { entry, keys } of charts) {
            const chart = entry.chart;
            datasets(keys, colours).forEach((one, i) => { chart.data.datasets[i].data = one.data; });
            Object.assign(chart.options.scales.x, bounds());
            chart.update("none");
        }
        zoomed.textContent = spanText();
        plots.dataset.from = view.from;
        plots.dataset.to = view.to;
    }

    function spanText() {
        const shownSpans = view.to - view.from + 1;
        const factor = Math.max(1, Math.ceil(shownSpans / MAX_SPANS));
        return `${formatDuration(shownSpans * data.span_ns)} shown, in spans of ${formatDuration(factor * data.span_ns)}`;
    }

    function setView(from, to) {
        const width = Math.max(8, Math.min(lastSpan, Math.round(to - from)));
        const start = Math.max(0, Math.min(lastSpan - width, Math.round(from)));
        view = { from: start, to: start + width };
        refresh();
    }

    function zoom(factor, around = cursor ?? (view.from + view.to) / 2) {
        const width = (view.to - view.from) * factor;
        const part = (around - view.from) / Math.max(1, view.to - view.from);
        setView(around - width * part, around + width * (1 - part));
    }

    function setCursor(span) {
        cursor = Math.max(view.from, Math.min(view.to, Math.round(span)));
        const bytes = (key) => formatBytes(valueAt(heap[key], cursor));
        const count = (key) => formatCount(valueAt(heap[key], cursor));
        readout.textContent = `At ${timeText(cursor * spanSeconds, (view.to - view.from) * spanSeconds)}: application ${bytes("app_bytes")} in ${count("app_live")}, driver ${bytes("driver_bytes")} in ${count("driver_live")}`;
        for (const { entry } of charts) entry.chart.draw();
    }

    function spanAt(event) {
        const chart = charts[0].entry.chart;
        const box = chart.canvas.getBoundingClientRect();
        return chart.scales.x.getValueForPixel(event.clientX - box.left) / spanSeconds;
    }

    plots.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        selection = [spanAt(event), spanAt(event)];
        plots.setPointerCapture(event.pointerId);
    });
    plots.addEventListener("pointermove", (event) => {
        if (selection) selection[1] = spanAt(event);
        setCursor(spanAt(event));
    });
    plots.addEventListener("pointercancel", () => { selection = null; });
    plots.addEventListener("pointerup", (event) => {
        if (!selection) return;
        // A quick hand is elsewhere by now than when the last move was told.
        const [from, to] = [selection[0], spanAt(event)].sort((a, b) => a - b);
        selection = null;
        if (to - from > (view.to - view.from) / 100) setView(from, to);
        else refresh();
    });
    plots.addEventListener("dblclick", () => setView(0, lastSpan));
    plots.addEventListener("wheel", (event) => {
        if (!event.ctrlKey) return;
        event.preventDefault();
        zoom(event.deltaY < 0 ? 0.7 : 1 / 0.7, spanAt(event));
    }, { passive: false });

    const step = () => Math.max(1, Math.round((view.to - view.from) / 100));
    const half = () => (view.to - view.from) / 2;
    const keys = {
        ArrowLeft: () => setCursor((cursor ?? view.to) - step()),
        ArrowRight: () => setCursor((cursor ?? view.from) + step()),
        PageUp: () => setView(view.from - half(), view.to - half()),
        PageDown: () => setView(view.from + half(), view.to + half()),
        "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2),
        Home: () => setView(0, lastSpan),
    };
    plots.addEventListener("keydown", (event) => {
        const action = keys[event.key];
        if (!action || event.altKey || event.metaKey || event.ctrlKey) return;
        event.preventDefault();
        action();
    });

    const zoomed = element("span", { class: "muted", id: "timeline-span" }, spanText());
    const tool = (text, label, click) => element("button",
        { type: "button", class: "tool", "aria-label": label, on: { click } }, text);
    const colours = (name) => element("span", { class: "swatch", style: { background: `var(--${name})` } });
    const choices = data.heaps.map((one) => {
        const text = (severalDevices ? `${deviceName(one.device)}, ` : "") + heapText(one.device, one.heap);
        return element("option", { value: data.heaps.indexOf(one), selected: one === heap }, text);
    });
    const choose = element("select", { "aria-label": "Heap", on: { change: (event) => {
        heap = data.heaps[Number(event.target.value)];
        for (const { entry } of charts) {
            entry.chart.destroy();
            entry.chart = entry.draw(palette());
        }
        refresh();
    } } }, ...choices);
    const controls = element("div", { class: "controls" },
        choose,
        element("span", { class: "key" }, colours("accent"), "Application"),
        element("span", { class: "key" }, colours("second"), "Driver"),
        element("span", { class: "grow" }), zoomed,
        tool("+", "Zoom in", () => zoom(0.5)), tool("\u2212", "Zoom out", () => zoom(2)),
        tool("All", "Show all of the time", () => setView(0, lastSpan)));
    const left = data.left_out ? element("p", { class: "muted" }, "There were more heaps than are shown.") : null;
    plots.dataset.from = view.from;
    plots.dataset.to = view.to;
    return makeSection("timeline", "Timeline", `${about} Drag to zoom in, double-click to see all.`, controls, plots, readout, left);
}
