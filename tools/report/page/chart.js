// SPDX-License-Identifier: Apache-2.0
//
// What all charts share: their colours, which are the style's, and their defaults.
//
// The one idea: a chart is drawn by a function of the palette, so that another theme, or paper, is
// the same function called again.
import { formatCount } from "./format.js";

export function palette() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    return {
        text: read("text"), muted: read("muted"), line: read("line"), strongLine: read("strong-line"),
        accent: read("accent"), accentSoft: read("accent-soft"), second: read("second"),
        surface: read("surface"), raised: read("raised"), gap: read("slot-gap"),
        warning: read("warning"),
        use: (name) => read(`use-${name}`),
    };
}

const drawn = [];

// Calls `draw(palette)` now, and again whenever the colours change. It returns what has destroy(), or
// nothing.
export function drawThemed(draw) {
    const entry = { draw, chart: null };
    drawn.push(entry);
    entry.chart = draw(palette());
    return entry;
}

export function redraw(entry) {
    entry.chart?.destroy();
    entry.chart = entry.draw(palette());
}

function redrawAll() {
    for (const entry of drawn) redraw(entry);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
matchMedia("print").addEventListener("change", redrawAll);

Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
Chart.defaults.font.size = 12;
Chart.defaults.animation = false;
Chart.defaults.responsive = true;
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.plugins.legend.display = false;

// The look of one axis.
export function axis(colours, options = {}) {
    const { ticks = {}, grid = {}, title = null, ...rest } = options;
    return {
        border: { display: false },
        grid: { color: colours.line, drawTicks: false, drawBorder: false, ...grid },
        ticks: { color: colours.muted, padding: 6, maxRotation: 0, autoSkipPadding: 16, ...ticks },
        title: { display: title !== null, text: title ?? "", color: colours.muted },
        ...rest,
    };
}

export function tooltip(colours, callbacks) {
    return {
        backgroundColor: colours.raised, titleColor: colours.text, bodyColor: colours.text,
        borderColor: colours.strongLine, borderWidth: 1, cornerRadius: 4, padding: 8,
        boxWidth: 10, boxHeight: 10, boxPadding: 4, callbacks,
    };
}

// A bar chart over named classes that can be walked through with the arrow keys; what it is at is
// told below it. `series`: [{ label, values, colour }], `tell(index)`: the text.
export function barChart({ holder, readout, labels, series, format, tell, logarithmic = false }) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    holder.append(canvas);
    let at = -1;
    const entry = drawThemed((colours) => new Chart(canvas, {
        type: "bar",
        data: {
            labels,
            datasets: series.map((one) => ({
                label: one.label, data: one.values, backgroundColor: colours[one.colour],
                barPercentage: 0.9, categoryPercentage: 0.86, maxBarThickness: 40,
            })),
        },
        options: {
            interaction: { mode: "index", intersect: false },
            scales: {
                x: axis(colours, { grid: { display: false } }),
                y: axis(colours, {
                    type: logarithmic ? "logarithmic" : "linear", beginAtZero: true,
                    ticks: { callback: (value) => format(value), maxTicksLimit: 5 },
                }),
            },
            plugins: {
                tooltip: tooltip(colours, {
                    label: (item) => ` ${item.dataset.label}: ${format(item.parsed.y)}`,
                }),
            },
            onHover: (event, items) => { if (items.length) show(items[0].index, false); },
        },
    }));
    function show(index, mark) {
        at = index;
        readout.textContent = tell(index);
        if (!mark) return;
        const chart = entry.chart;
        const active = series.map((_, i) => ({ datasetIndex: i, index }));
        chart.setActiveElements(active);
        chart.tooltip.setActiveElements(active, { x: 0, y: 0 });
        chart.update();
    }
    holder.addEventListener("keydown", (event) => {
        const steps = { ArrowLeft: -1, ArrowRight: 1 };
        let next = null;
        if (event.key in steps) next = at + steps[event.key];
        if (event.key === "Home") next = 0;
        if (event.key === "End") next = labels.length - 1;
        if (next === null) return;
        event.preventDefault();
        show(Math.max(0, Math.min(labels.length - 1, next)), true);
    });
    return {
        update(changed) {
            labels = changed.labels ?? labels;
            series = changed.series;
            format = changed.format ?? format;
            tell = changed.tell ?? tell;
            at = -1;
            readout.textContent = "";
            redraw(entry);
        },
    };
}

export function compactCount(value) {
    return value >= 1e6 ? `${(value / 1e6).toFixed(1).replace(".0", "")} M` : formatCount(value);
}
