// SPDX-License-Identifier: Apache-2.0
//
// Tables that sort by any of their columns, and that can be filtered by a text.
import { element } from "./format.js";
import { stackTitle } from "./model.js";

// `columns`: [{ title, number, descending, value(row), cell(row) }]: `value` sorts (numbers from the
// largest at first, as what says `descending`), `cell` shows (a text or an element). `rows`: any. `options`: sort (index of a column), label, tall, limit, isSelected(row).
// Returns: { root, filter(predicate) }.
export function sortableTable(columns, rows, options = {}) {
    let sorted = options.sort ?? -1;
    let descending = true;
    let accept = () => true;
    const body = element("tbody");
    const more = element("p", { class: "muted" });
    const heads = columns.map((column, index) => element("th",
        { scope: "col", class: column.number ? "number" : null },
        column.value
            ? element("button", { type: "button", on: { click: () => sortBy(index) } }, column.title)
            : column.title));
    const table = element("table", { "aria-label": options.label ?? null },
        element("thead", {}, element("tr", {}, ...heads)), body);

    function sortBy(index) {
        descending = sorted === index ? !descending : Boolean(columns[index].number || columns[index].descending);
        sorted = index;
        fill();
    }

    function compare(a, b) {
        const value = columns[sorted].value;
        const [x, y] = [value(a), value(b)];
        // What is not known comes last, whichever way it is sorted.
        if (x === null || y === null) return (x === null) - (y === null);
        const order = typeof x === "string" ? x.localeCompare(y) : x - y;
        return descending ? -order : order;
    }

    function makeRow(row) {
        const cells = columns.map((column) => {
            const content = column.cell(row);
            return element("td", { class: column.number ? "number" : null }, content);
        });
        const made = element("tr", {}, ...cells);
        if (options.isSelected?.(row)) made.setAttribute("aria-current", "true");
        return made;
    }

    function fill() {
        const kept = rows.filter(accept);
        if (sorted >= 0) kept.sort(compare);
        const limit = options.limit ?? kept.length;
        body.replaceChildren(...kept.slice(0, limit).map(makeRow));
        const hidden = kept.length - Math.min(limit, kept.length);
        more.textContent = kept.length === 0 ? "Nothing matches." : hidden > 0 ? `${hidden} more rows: filter to see them.` : "";
        more.hidden = more.textContent === "";
        heads.forEach((head, index) => {
            if (index === sorted) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
            else head.removeAttribute("aria-sort");
        });
    }
    fill();
    const box = element("div", { class: options.tall ? "scroll tall" : "scroll", tabindex: "0",
        role: "group", "aria-label": options.label ?? null }, table);
    return {
        root: element("div", {}, box, more),
        filter(predicate) {
            accept = predicate;
            fill();
        },
    };
}

// A number with a bar below it that shows its share of the largest.
export function barCell(text, share) {
    return element("div", { class: "bar" }, text,
        element("i", { style: { width: `${(Math.max(0, Math.min(1, share)) * 100).toFixed(1)}%` } }));
}

// A call stack that opens: a line that tells it from others, and all frames. A text if there is no more to see.
export function stackCell(frames, otherwise = "not recorded") {
    if (frames.length === 0) return element("span", { class: "muted" }, otherwise);
    if (frames.length === 1) return element("div", { class: "mono" }, frames[0]);
    return element("details", {}, element("summary", { class: "mono" }, stackTitle(frames)), stackList(frames));
}

export function stackList(frames) {
    return element("ol", { class: "stack" }, ...frames.map((frame) => element("li", {}, frame)));
}
