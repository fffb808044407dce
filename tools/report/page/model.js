// SPDX-License-Identifier: Apache-2.0
//
// The model that the page shows (docs/report.md has its schema), and look-ups in it.

export const model = JSON.parse(document.getElementById("model").textContent);

const devices = new Map(model.process.devices.map((device) => [device.id, device]));

export function deviceName(id) {
    const device = devices.get(id);
    return device ? device.name : `device ${id}`;
}

// "type 2: DEVICE_LOCAL"
export function typeText(id, type) {
    const flags = devices.get(id)?.memory_types[type]?.flags ?? [];
    const words = flags.map((flag) => flag.toLowerCase().replaceAll("_", " "));
    return `memory type ${type}${words.length ? `: ${words.join(", ")}` : ""}`;
}

export function heapText(id, heap) {
    const types = devices.get(id)?.memory_types ?? [];
    const local = types.some((t) => t.heap === heap && t.flags.includes("DEVICE_LOCAL"));
    return `Heap ${heap}${local ? ", device local" : ""}`;
}

export function threadName(index) {
    return index === null ? null : model.threads[index] || `thread ${index}`;
}

export function stackFrames(number) {
    return number === null ? [] : model.stacks[number] ?? [];
}

// Innermost frames that all stacks share: the way into the application's own allocator, say.
const commonFrames = (() => {
    const [first, ...others] = model.stacks;
    if (others.length === 0) return 0;
    let depth = Math.min(...model.stacks.map((frames) => frames.length)) - 1;
    for (const frames of others) {
        let i = 0;
        while (i < depth && frames[i] === first[i]) i += 1;
        depth = i;
    }
    return Math.max(0, depth);
})();

// A line for a stack: its first frames from where stacks begin to differ.
export function stackTitle(frames) {
    return frames.slice(commonFrames, commonFrames + 3).join(" \u2190 ");
}

export const severalDevices = model.process.devices.length > 1;
