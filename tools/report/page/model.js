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

export const severalDevices = model.process.devices.length > 1;
