/* SPDX-License-Identifier: Apache-2.0
 *
 * hud PID [SECONDS]: tells once a second how full the heaps of a process are, and its largest
 * allocation. See docs/reader-library.md. */
#include <stdio.h>
#include <stdlib.h>
#include <tessera/tessera.h>
#include <unistd.h>

static double MiB(uint64_t bytes) {
    return (double)bytes / (1 << 20);
}

static void ShowDevice(const tessera_reader* reader, uint32_t index) {
    struct tessera_device_info device = {.size = sizeof(device)};
    if (tessera_get_device(reader, index, &device) != TESSERA_OK) return;
    printf("%s (%s)\n", device.name, tessera_level_name(device.level));
    for (uint32_t i = 0; i < device.heap_count; ++i) {
        struct tessera_heap_info heap = {.size = sizeof(heap)};
        tessera_get_heap(reader, index, i, &heap);
        printf("  heap %u: %.1f MiB asked for, %.1f from the driver, of %.1f\n", i,
               MiB(heap.app_live_bytes), MiB(heap.driver_live_bytes), MiB(heap.heap_bytes));
    }
    struct tessera_allocation_info next = {.size = sizeof(next)}, largest = {.name = ""};
    for (uint64_t i = 0; tessera_get_allocation(reader, index, i, &next) == TESSERA_OK; ++i)
        if (next.bytes > largest.bytes) largest = next;
    char name[64];
    tessera_terminal_text(largest.name, name, sizeof(name));
    printf("  largest: %.1f MiB  type %u  %s\n", MiB(largest.bytes), largest.type, name);
}

int main(int argc, char** argv) {
    tessera_reader* reader = NULL;
    struct tessera_process_info process = {.size = sizeof(process), .state = TESSERA_STATE_LIVE};
    int ok = argc > 1 && tessera_open_pid(strtoull(argv[1], NULL, 10), &reader) == TESSERA_OK;
    for (long left = argc > 2 ? atol(argv[2]) : -1;
         ok && left != 0 && process.state == TESSERA_STATE_LIVE; --left) {
        ok = tessera_refresh(reader, TESSERA_DEPTH_DETAIL) == TESSERA_OK;
        tessera_get_process(reader, &process);
        for (uint32_t i = 0; i < process.device_count; ++i)
            ShowDevice(reader, i);
        fflush(stdout);
        sleep(1);
    }
    if (!ok) fprintf(stderr, "%s\n", argc > 1 ? tessera_error_text() : "usage: hud PID [SECONDS]");
    tessera_close(reader);
    return ok ? 0 : 1;
}
