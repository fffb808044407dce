/* SPDX-License-Identifier: Apache-2.0
 *
 * hud PID [SECONDS]: prints once a second how full the heaps of a process are, and its ten largest
 * allocations. See docs/reader-library.md. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <tessera/tessera.h>
#include <unistd.h>

static int LargerFirst(const void* a, const void* b) {
    const struct tessera_allocation_info *one = a, *other = b;
    return (one->bytes < other->bytes) - (one->bytes > other->bytes);
}

static void ShowDevice(const tessera_reader* reader, uint32_t index) {
    struct tessera_device_info device = {.size = sizeof(device)};
    if (tessera_get_device(reader, index, &device) != TESSERA_OK) return;
    printf("%s (%s)\n", device.name, tessera_level_name(device.level));
    for (uint32_t i = 0; i < device.heap_count; ++i) {
        struct tessera_heap_info heap = {.size = sizeof(heap)};
        tessera_get_heap(reader, index, i, &heap);
        printf("  heap %u: %" PRIu64 " KiB asked for, %" PRIu64 " from the driver, of %" PRIu64
               "\n",
               i, heap.app_live_bytes >> 10, heap.driver_live_bytes >> 10, heap.heap_bytes >> 10);
    }
    struct tessera_allocation_info* all = calloc(device.allocation_count + 1, sizeof(*all));
    for (uint64_t i = 0; all != NULL && i < device.allocation_count; ++i) {
        all[i].size = sizeof(*all);
        tessera_get_allocation(reader, index, i, &all[i]);
    }
    if (all != NULL) qsort(all, device.allocation_count, sizeof(*all), LargerFirst);
    for (uint64_t i = 0; all != NULL && i < device.allocation_count && i < 10; ++i) {
        char name[64];
        tessera_terminal_text(all[i].name, name, sizeof(name));
        printf("  %10" PRIu64 " KiB  type %-2u  %s\n", all[i].bytes >> 10, all[i].type, name);
    }
    free(all);
}

int main(int argc, char** argv) {
    tessera_reader* reader;
    if (argc < 2 || tessera_open_pid(strtoull(argv[1], NULL, 10), &reader) != TESSERA_OK)
        return fprintf(stderr, "%s\n",
                       argc < 2 ? "usage: hud PID [SECONDS]" : tessera_error_text()),
               1;
    struct tessera_process_info process = {.size = sizeof(process), .state = TESSERA_STATE_LIVE};
    for (long left = argc > 2 ? atol(argv[2]) : -1;
         left != 0 && process.state == TESSERA_STATE_LIVE; --left) {
        if (tessera_refresh(reader, TESSERA_DEPTH_DETAIL) != TESSERA_OK) {
            fprintf(stderr, "%s\n", tessera_error_text());
            break;
        }
        tessera_get_process(reader, &process);
        for (uint32_t i = 0; i < process.device_count; ++i)
            ShowDevice(reader, i);
        fflush(stdout);
        sleep(1);
    }
    tessera_close(reader);
    return 0;
}
