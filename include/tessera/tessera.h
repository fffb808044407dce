/* SPDX-License-Identifier: Apache-2.0
 *
 * Tessera's reader library, for C11 and everything that can call C: who holds GPU memory in a
 * process that runs with the layer, or ran with it. Made for overlays, engines' own displays and
 * exporters; docs/reader-library.md shows how.
 *
 *   tessera_reader* reader;
 *   if (tessera_open_pid(pid, &reader) != TESSERA_OK) puts(tessera_error_text());
 *   tessera_refresh(reader, TESSERA_DEPTH_DETAIL);
 *   struct tessera_device_info device = {.size = sizeof(device)};
 *   tessera_get_device(reader, 0, &device);
 *   ...
 *   tessera_close(reader);
 *
 * The one idea: a reader holds a copy of what the process published. tessera_refresh() takes
 * another; between two of them nothing changes, and the tessera_get functions only look things up.
 * The process is not stopped, asked or slowed down.
 *
 * Versions: whoever calls puts the size of the structure that it was compiled with into its first
 * field, `size`. Structures only grow at their end; what the library does not know is 0, and what
 * the caller does not know is left out. Functions and numbers are never used for anything else.
 * Threads: different readers may be used at the same time, one reader by one thread at a time.
 * Ownership: strings and arrays that are handed out belong to the reader, and are there until it is
 * refreshed or closed.
 * Errors: functions return TESSERA_OK or another result; then tessera_error_text() says in a
 * sentence what is wrong, and no output was changed but pointers to readers, which are null. No
 * function ends the program or lets a C++ exception out.
 * Texts: names of processes, drivers and devices have no control characters. Those of allocations,
 * resources and modules are as they came from the application: see tessera_terminal_text().
 * Times are ns of CLOCK_MONOTONIC, 0 where they are not known, unless it says otherwise. Sizes and
 * offsets are bytes. */
#ifndef TESSERA_TESSERA_H_
#define TESSERA_TESSERA_H_

#include <stddef.h>
#include <stdint.h>

#include "tessera/channel_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TESSERA_API __attribute__((visibility("default")))
#else
#define TESSERA_API
#endif

typedef struct tessera_reader tessera_reader;

enum tessera_result {
    TESSERA_OK = 0,
    TESSERA_ERROR_ARGUMENT = 1,   /* a null pointer, an index that there is not, a wrong size */
    TESSERA_ERROR_NOT_FOUND = 2,  /* no such process, or it publishes nothing */
    TESSERA_ERROR_UNREADABLE = 3, /* the segment cannot be read, now or at all */
    TESSERA_ERROR_NO_MEMORY = 4,  /* of this process */
    TESSERA_ERROR_REFUSED = 5     /* the process did not do what it was asked for */
};

/* How much a refresh copies. */
enum tessera_depth {
    TESSERA_DEPTH_TOTALS = 0, /* processes, devices, heaps, memory types, calls */
    TESSERA_DEPTH_DETAIL = 1  /* and each allocation, block and resource that is recorded */
};

enum tessera_state {
    TESSERA_STATE_LIVE = 0,   /* it runs and has a Vulkan instance */
    TESSERA_STATE_CLOSED = 1, /* its last instance was destroyed; it may still run */
    TESSERA_STATE_ENDED = 2   /* it is gone without having destroyed its last instance */
};

/* An index that leads nowhere. */
#define TESSERA_NONE UINT32_C(0xffffffff)

/* ---- Readers ---------------------------------------------------------------------------------*/

/* The version of the library: "0.1.0". */
TESSERA_API const char* tessera_version(void);

/* What went wrong in the last call of this thread that failed: a sentence. Never null. It is there
 * until the next call of this thread that fails. */
TESSERA_API const char* tessera_error_text(void);

/* Tells the pids of all processes of this user that published something, live or ended, those that
 * started last first. Writes as many as there is room for; `*count` becomes how many there are.
 * `pids` may be null if `capacity` is 0. */
TESSERA_API enum tessera_result tessera_list_pids(uint64_t* pids, size_t capacity, size_t* count);

/* Opens what process `pid` publishes, or left behind. Nothing is copied yet: what
 * tessera_get_process() and the others tell before the first refresh is that of no process. The
 * reader keeps one descriptor open: so the last state can be read after the process has ended, even
 * if its file is gone. */
TESSERA_API enum tessera_result tessera_open_pid(uint64_t pid, tessera_reader** reader);

/* The same of a segment's file. */
TESSERA_API enum tessera_result tessera_open_path(const char* path, tessera_reader** reader);

/* Does nothing for null. */
TESSERA_API void tessera_close(tessera_reader* reader);

/* Takes a new copy. If that fails, the last one stays. `depth`: enum tessera_depth. */
TESSERA_API enum tessera_result tessera_refresh(tessera_reader* reader, uint32_t depth);

/* ---- What the copy holds ----------------------------------------------------------------------*/

struct tessera_process_info {
    size_t size;
    uint64_t pid;
    uint64_t start_time; /* clock ticks since boot */
    uint64_t parent_pid;
    uint64_t created_ns;           /* CLOCK_REALTIME */
    uint64_t created_monotonic_ns; /* the same moment */
    uint64_t copied_ns;            /* when this copy was taken */
    const char* name;
    const char* layer_version;
    const char* path;        /* of the segment */
    uint32_t state;          /* enum tessera_state */
    uint32_t level;          /* enum tessera_level, of devices that are created from now on */
    uint64_t stack_interval; /* one in this many allocations keeps its call stack; 0: none */
    uint64_t segment_bytes;
    uint64_t dropped_devices; /* for which there was no room */
    uint32_t torn;            /* 1: it ended in the middle of a change; a number may be off */
    uint32_t device_count;
    uint32_t stack_count; /* of call stacks, modules and threads, with detail */
    uint32_t module_count;
    uint32_t thread_count;
    uint32_t reserved;
};
TESSERA_API enum tessera_result tessera_get_process(const tessera_reader* reader,
                                                    struct tessera_process_info* info);

/* Devices are in the order in which they were created. If there is a sum of devices that lost their
 * own record, it is the first one: its state is TESSERA_DEVICE_RETIRED, its id 0. */
struct tessera_device_info {
    size_t size;
    uint64_t id;
    const char* name;
    const char* driver;
    uint32_t state; /* enum tessera_device_state */
    uint32_t api_version;
    uint32_t pooled; /* 1: the layer pools; 0: see `why` */
    uint32_t why;    /* enum tessera_reason */
    uint32_t level;  /* enum tessera_level: which of the counts below are known */
    uint32_t heap_count;
    uint32_t memory_type_count;
    uint32_t block_count;
    uint64_t allocation_count; /* live ones that are recorded */
    uint64_t resource_count;
    uint64_t level_since_ns;
    uint64_t unrecorded; /* records that there was no room for, of all kinds */
    uint64_t moving;     /* records left out because they were being changed */
    uint64_t frames;     /* pictures presented */
    uint64_t misuses;    /* rules of Vulkan that the application broke with its memory */
};
TESSERA_API enum tessera_result tessera_get_device(const tessera_reader* reader, uint32_t device,
                                                   struct tessera_device_info* info);

struct tessera_heap_info {
    size_t size;
    uint64_t heap_bytes;
    uint64_t app_live_bytes;    /* that the application asked for and has not freed */
    uint64_t driver_live_bytes; /* that the driver gave for it: blocks and what passed through */
    uint64_t driver_live;       /* in how many objects */
    uint64_t budget_bytes;      /* of VK_EXT_memory_budget; 0: not known */
    uint64_t usage_bytes;       /* the same, of this process */
};
TESSERA_API enum tessera_result tessera_get_heap(const tessera_reader* reader, uint32_t device,
                                                 uint32_t heap, struct tessera_heap_info* info);

struct tessera_memory_type_info {
    size_t size;
    uint32_t heap;
    uint32_t flags;    /* VkMemoryPropertyFlags */
    uint64_t app_live; /* what the application asked for */
    uint64_t app_live_bytes;
    uint64_t app_peak_bytes;
    uint64_t app_allocations; /* so far */
    uint64_t app_frees;
    uint64_t app_failed;
    uint64_t driver_live; /* what the driver gave for it */
    uint64_t driver_live_bytes;
    uint64_t driver_peak_bytes;
    uint64_t driver_allocations;
    uint64_t driver_frees;
    uint64_t driver_failed;
    uint64_t pooled_live; /* of the application's, those in blocks */
    uint64_t pooled_live_bytes;
    uint64_t blocks;
    uint64_t block_bytes;
    uint64_t block_free_bytes;
    uint64_t passed_live; /* of the application's, those that the driver served as they came */
    uint64_t passed_live_bytes;
};
TESSERA_API enum tessera_result tessera_get_memory_type(const tessera_reader* reader,
                                                        uint32_t device, uint32_t type,
                                                        struct tessera_memory_type_info* info);

/* What calls of a command cost. Of quick ones a part is timed; see struct tessera_call_totals. */
struct tessera_call_info {
    size_t size;
    const char* name; /* "vkAllocateMemory" */
    uint64_t count;
    uint64_t timed;
    uint64_t total_ns; /* of the timed ones */
    uint64_t p50_ns;
    uint64_t p99_ns;
    uint64_t max_ns;
};
/* `call`: enum tessera_call. `by_layer`: 0: as the application called it; 1: as the layer called
 * the driver. */
TESSERA_API enum tessera_result tessera_get_call(const tessera_reader* reader, uint32_t device,
                                                 uint32_t call, uint32_t by_layer,
                                                 struct tessera_call_info* info);

/* One live vkAllocateMemory of the application. Pooled ones come first, in order of place. */
struct tessera_allocation_info {
    size_t size;
    uint64_t memory; /* the application's VkDeviceMemory */
    uint64_t bytes;
    uint64_t offset;        /* in its block */
    uint64_t padding_bytes; /* that it takes beyond `bytes` */
    uint64_t made_ns;
    const char* name; /* its own, or of what is bound to it; "" if there is none */
    uint32_t block;   /* index; TESSERA_NONE: passed through, or in a block that is not recorded */
    uint32_t reason;  /* enum tessera_reason: why it passed through; none: it did not */
    uint32_t type;    /* index of the memory type */
    uint32_t flags;   /* enum tessera_allocation_flag */
    uint32_t thread;  /* index, or TESSERA_NONE */
    uint32_t stack;   /* index, or TESSERA_NONE */
};
TESSERA_API enum tessera_result tessera_get_allocation(const tessera_reader* reader,
                                                       uint32_t device, uint64_t index,
                                                       struct tessera_allocation_info* info);

/* A VkDeviceMemory that the layer made, to place allocations in. */
struct tessera_block_info {
    size_t size;
    uint64_t memory; /* the driver's VkDeviceMemory */
    uint64_t bytes;
    uint64_t made_ns;
    uint64_t driver_ns; /* that the driver took to make it */
    uint32_t type;
    uint32_t flags; /* enum tessera_block_flag */
};
TESSERA_API enum tessera_result tessera_get_block(const tessera_reader* reader, uint32_t device,
                                                  uint64_t index, struct tessera_block_info* info);

/* A buffer, an image or something else that is bound to memory. */
struct tessera_resource_info {
    size_t size;
    uint64_t object;      /* its handle */
    uint64_t memory;      /* the application's VkDeviceMemory; 0: none yet */
    uint64_t offset;      /* in that */
    uint64_t bytes;       /* 0: not known */
    uint64_t usage;       /* VkBufferUsageFlags or VkImageUsageFlags */
    const char* name;     /* "" if there is none */
    uint32_t allocation;  /* index, or TESSERA_NONE */
    uint32_t object_type; /* VkObjectType */
    uint32_t format;      /* of an image: VkFormat */
    uint32_t width;
    uint32_t height;
    uint32_t depth_or_layers;
    uint32_t levels;
    uint32_t linear; /* 1: linear tiling */
};
TESSERA_API enum tessera_result tessera_get_resource(const tessera_reader* reader, uint32_t device,
                                                     uint64_t index,
                                                     struct tessera_resource_info* info);

/* Where calls return to, innermost first; modules say in which file that is. */
struct tessera_stack_info {
    size_t size;
    const uint64_t* addresses;
    size_t depth; /* 0: not known */
};
TESSERA_API enum tessera_result tessera_get_stack(const tessera_reader* reader, uint32_t stack,
                                                  struct tessera_stack_info* info);

struct tessera_module_info {
    size_t size;
    uint64_t start;
    uint64_t end;
    uint64_t bias; /* address less the address in the file's symbols */
    const char* path;
    const uint8_t* build_id;
    size_t build_id_bytes;
};
TESSERA_API enum tessera_result tessera_get_module(const tessera_reader* reader, uint32_t module,
                                                   struct tessera_module_info* info);

struct tessera_thread_info {
    size_t size;
    uint64_t tid; /* 0: nothing is known of it */
    const char* name;
};
TESSERA_API enum tessera_result tessera_get_thread(const tessera_reader* reader, uint32_t thread,
                                                   struct tessera_thread_info* info);

/* ---- Events, levels, texts
 * ----------------------------------------------------------------------*/

struct tessera_event_info {
    uint64_t time_ns;
    uint64_t device; /* its id */
    uint64_t object;
    uint64_t value;
    uint32_t kind;   /* enum tessera_event_kind; ones that are not known may occur */
    uint32_t type;   /* index of the memory type; 255: none */
    uint32_t detail; /* see struct tessera_event */
    uint32_t thread; /* index after the next refresh with detail, or TESSERA_NONE */
    uint32_t stack;  /* likewise */
    uint32_t reserved;
};

/* Reads events that were written since the last call; at first, all that are still there. Needs no
 * refresh. `events` has room for `capacity` structures of `event_size` bytes each, which is
 * sizeof(struct tessera_event_info). `*count` becomes how many were written: fewer than `capacity`
 * if there are no more now. `*lost` becomes how many were overwritten before they were read; it may
 * be null. */
TESSERA_API enum tessera_result tessera_read_events(tessera_reader* reader,
                                                    struct tessera_event_info* events,
                                                    size_t event_size, size_t capacity,
                                                    size_t* count, uint64_t* lost);

/* Asks the process to record at another level, and waits until it does, for `timeout_ms` at most.
 * This is the one thing that a reader can ask for. `stack_interval`: one in this many allocations
 * keeps its call stack; 0: none; TESSERA_STACKS_AS_IS: as it is. */
TESSERA_API enum tessera_result tessera_request_level(tessera_reader* reader, uint32_t level,
                                                      uint64_t stack_interval, uint64_t timeout_ms);

/* Names as in the documents; "unknown" for numbers that are not known. Never null. */
TESSERA_API const char* tessera_state_name(uint32_t state);
TESSERA_API const char* tessera_level_name(uint32_t level);
TESSERA_API const char* tessera_reason_name(uint32_t reason);
TESSERA_API const char* tessera_event_name(uint32_t kind);

/* Writes `text` so that it cannot drive a terminal: control characters as \x1b, what is not UTF-8
 * replaced. Always ends with a zero if `size` is not 0. Returns: the length of the whole result,
 * without the zero; what had no room is left out, by whole characters. `out` may be null if `size`
 * is 0. */
TESSERA_API size_t tessera_terminal_text(const char* text, char* out, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* TESSERA_TESSERA_H_ */
