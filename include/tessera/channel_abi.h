// SPDX-License-Identifier: Apache-2.0
//
// The binary interface of Tessera's statistics channel, version 3.
//
// A process that loads the layer owns one *segment*: a file that it alone writes and that any
// number of readers may copy. This header is the whole contract between them. It is usable from C11
// and C++.
//
//   file      $XDG_RUNTIME_DIR/tessera/PID-STARTTIME.channel, else /dev/shm/tessera-UID/...
//   layout    +-------------------------+ 0
//             | tessera_channel_header  |   who, which version, and where everything else lies
//             +-------------------------+ header_bytes
//             | extent                  |   records of one kind: devices, allocations, events, ...
//             | extent                  |
//             | ...                     |
//             +-------------------------+ segment_bytes
//
// Levels
//   totals    what each memory type holds, and what calls cost: device records. Never suspended.
//   full      each allocation, block and bound resource by itself: tables of records.
//   events    and what happened when: rings of events.
//   A reader may ask for another level while the process runs: see struct tessera_level_request.
//
// Rules for the writer
//   * Every page is reserved before it is touched; the file only ever grows, up to `max_bytes`.
//   * `magic` is stored last, with release order: a page of zeroes means "not ready".
//   * Each field has one writer at a time (named beside it). Fields are 64-bit words, stored
//     whole, so that no reader sees half of one. The two 32-bit fields never change.
//   * What is guarded by a sequence is consistent when that is even, and the same before and after
//     it was copied (acquire order on both loads).
// Rules for a reader
//   * Open read-only, never map: pread() copies. A file that is cut short must not kill the reader.
//   * The writer may be dead, hostile or of another version: check `magic`, `abi_version`, sizes
//     and counts on the copy before anything is indexed. Strings may lack their terminator.
//   * Copy again when a sequence was odd or moved, a bounded number of times.
// Failure modes
//   * Writer killed: the file stays, `state` says LIVE and (pid, start time) match no process. A
//     sequence may stay odd for ever; what it guards is then the middle of one update.
//   * No room for a device's record: `dropped_devices` counts it; its numbers are not in the file.
//     No room for a record of a table: `unrecorded` of the device counts it.
//   * Another version: readers refuse a segment whose `abi_version` they do not know.

#ifndef TESSERA_CHANNEL_ABI_H_
#define TESSERA_CHANNEL_ABI_H_

#include <assert.h> /* static_assert in C */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TESSERA_CHANNEL_MAGIC UINT64_C(0x314e484341535354) /* "TSSACHN1" in memory order */
#define TESSERA_CHANNEL_ABI_VERSION 3u

/* No segment is larger than this, whatever its `max_bytes` says. */
#define TESSERA_CHANNEL_LIMIT_BYTES (UINT64_C(512) << 20)

/* Capacities of the fixed arrays below; the counts in use are stored beside the arrays. */
#define TESSERA_MAX_HEAPS 16u          /* VK_MAX_MEMORY_HEAPS */
#define TESSERA_MAX_TYPES 32u          /* VK_MAX_MEMORY_TYPES */
#define TESSERA_MAX_REASONS 32u        /* room for enum tessera_reason to grow */
#define TESSERA_MAX_CALLS 32u          /* room for enum tessera_call to grow */
#define TESSERA_MAX_SHARDS 128u        /* over all memory types of a device */
#define TESSERA_HISTOGRAM_BUCKETS 128u /* see tessera_histogram_bucket() */
#define TESSERA_MAX_MISUSES 16u        /* room for enum tessera_misuse to grow */
#define TESSERA_MAX_DESTROYED 64u      /* destroyed devices that keep a record of their own */
#define TESSERA_MAX_EXTENTS 1024u      /* parts of a segment */
#define TESSERA_MAX_FRAMES 30u         /* of a call stack, innermost first */
#define TESSERA_NAME_BYTES 64u         /* of an object's name, its end included if it fits */

/* Why an allocation was handed to the driver as it came. Numbers are never reused.
 * The names in JSON, logs and documents are the first argument, spelled exactly so. */
#define TESSERA_REASONS(X)                                                                   \
    X(none, 0, "pooled: nothing was in the way")                                             \
    X(dedicated, 1, "dedicated to one buffer, image or tensor")                              \
    X(external, 2, "imported from or exported to another API or process")                    \
    X(capture_replay, 3, "its device address must be reproducible")                          \
    X(device_group, 4, "made for several physical devices")                                  \
    X(lazily_allocated, 5, "its memory type commits memory lazily")                          \
    X(placed_map, 6, "the device may map host-visible memory at an address of its choice")   \
    X(too_large, 7, "larger than a pool block should serve")                                 \
    X(unknown_pnext, 8, "extended by a structure that the layer does not know")              \
    X(unknown_flags, 9, "flags that the layer does not know")                                \
    X(zero_initialize, 10, "the application asked for zeroed memory")                        \
    X(tile_memory, 11, "tile memory: every allocation starts at the same place")             \
    X(memory_report, 12, "the device reports each allocation to the application")            \
    X(address_binding, 13, "the device reports each address binding to the application")     \
    X(driver_pools, 14, "the driver suballocates by itself")                                 \
    X(disabled, 15, "switched off by a setting")                                             \
    X(elevated, 16, "the process runs with elevated rights")                                 \
    X(forked, 17, "made in a child process on a device of its parent")                       \
    X(no_block, 18, "no pool block could be had from the driver")                            \
    X(object_limit, 19, "the driver's limit of memory objects left no room for a block")     \
    X(unusual_size, 20, "a size of zero, or beyond what can be computed with")               \
    X(invalid_type, 21, "a memory type that the device does not have")                       \
    X(unusual_priority, 22, "a priority outside 0 to 1")                                     \
    X(unknown_extension, 23, "the device enables an extension that the layer does not know") \
    X(out_of_host_memory, 24, "the layer could not get memory for its own bookkeeping")

enum tessera_reason {
#define TESSERA_ENUMERATOR(name, number, text) TESSERA_REASON_##name = number,
    TESSERA_REASONS(TESSERA_ENUMERATOR)
#undef TESSERA_ENUMERATOR
        TESSERA_REASON_COUNT
};

/* Rules of Vulkan that the application broke with memory that the layer gave it. Numbers are never
 * reused; names as above. */
#define TESSERA_MISUSES(X)                                                                  \
    X(use_after_free, 0, "memory was used after it was freed, or on a device not its own")  \
    X(double_free, 1, "memory was freed again, or on a device not its own")                 \
    X(unknown_free, 2, "memory was freed that nobody allocated")                            \
    X(bind_out_of_range, 3, "a resource was bound that reaches past the end of the memory") \
    X(map_out_of_range, 4, "a range was mapped that reaches past the end of the memory")    \
    X(map_not_visible, 5, "memory was mapped that the host cannot see")                     \
    X(map_twice, 6, "memory was mapped while it was mapped")                                \
    X(unmap_not_mapped, 7, "memory was unmapped that was not mapped")                       \
    X(flush_out_of_range, 8, "a range was flushed or invalidated that is not mapped")       \
    X(flush_not_mapped, 9, "memory was flushed or invalidated that is not mapped at all")   \
    X(leaked, 10, "memory was still allocated when its device was destroyed")               \
    X(wrong_use, 11, "memory was used for what it was not allocated for, such as an export")

enum tessera_misuse {
#define TESSERA_ENUMERATOR(name, number, text) TESSERA_MISUSE_##name = number,
    TESSERA_MISUSES(TESSERA_ENUMERATOR)
#undef TESSERA_ENUMERATOR
        TESSERA_MISUSE_COUNT
};

/* Commands whose calls are counted and timed. Numbers are never reused; aliases share a number. */
#define TESSERA_CALLS(X)                         \
    X(vkAllocateMemory, 0)                       \
    X(vkFreeMemory, 1)                           \
    X(vkMapMemory, 2)                            \
    X(vkUnmapMemory, 3)                          \
    X(vkFlushMappedMemoryRanges, 4)              \
    X(vkInvalidateMappedMemoryRanges, 5)         \
    X(vkBindBufferMemory, 6)                     \
    X(vkBindImageMemory, 7)                      \
    X(vkBindBufferMemory2, 8)                    \
    X(vkBindImageMemory2, 9)                     \
    X(vkQueueBindSparse, 10)                     \
    X(vkGetBufferMemoryRequirements, 11)         \
    X(vkGetImageMemoryRequirements, 12)          \
    X(vkGetBufferMemoryRequirements2, 13)        \
    X(vkGetImageMemoryRequirements2, 14)         \
    X(vkGetDeviceBufferMemoryRequirements, 15)   \
    X(vkGetDeviceImageMemoryRequirements, 16)    \
    X(vkMapMemory2, 17)                          \
    X(vkUnmapMemory2, 18)                        \
    X(vkGetDeviceMemoryCommitment, 19)           \
    X(vkGetDeviceMemoryOpaqueCaptureAddress, 20) \
    X(vkSetDeviceMemoryPriorityEXT, 21)          \
    X(vkBindAccelerationStructureMemoryNV, 22)   \
    X(vkBindVideoSessionMemoryKHR, 23)           \
    X(vkBindTensorMemoryARM, 24)                 \
    X(vkBindDataGraphPipelineSessionMemoryARM, 25)

enum tessera_call {
#define TESSERA_ENUMERATOR(name, number) TESSERA_CALL_##name = number,
    TESSERA_CALLS(TESSERA_ENUMERATOR)
#undef TESSERA_ENUMERATOR
        TESSERA_CALL_COUNT
};

/* One view of the allocations of a memory type. The application's view counts what it asked for,
 * pooled or not; the driver's view counts VkDeviceMemory objects that exist below the layer: blocks
 * and what was passed through. All sizes in bytes. Invariant at rest: live == allocations - frees.
 */
struct tessera_totals {
    uint64_t live;
    uint64_t live_bytes;
    uint64_t peak_bytes;  /* highest live_bytes so far */
    uint64_t allocations; /* successes */
    uint64_t frees;
    uint64_t failed; /* calls that returned an error */
};

/* What the pool holds of a memory type.
 * Invariants at rest: block_bytes >= live_bytes + free_bytes (the difference is padding), and
 * app.live == pooled.live + the sum of pass_through[].live. */
struct tessera_pooled {
    uint64_t live;        /* slots handed out */
    uint64_t live_bytes;  /* bytes that the application asked for in them */
    uint64_t allocations; /* slots handed out so far */
    uint64_t blocks;
    uint64_t block_bytes;
    uint64_t free_bytes;         /* inside blocks, not handed out */
    uint64_t largest_free_bytes; /* one free range of at least this size exists */
};

struct tessera_pass_through {
    uint64_t live;
    uint64_t live_bytes;
    uint64_t allocations;
};

/* What one shard of a memory type's pool counts: one cache line, since it is written with each
 * pooled allocation. Writer: the thread that holds the shard's lock; consistent under `sequence`.
 * A memory type has one line or more. What was allocated in one may be freed in another, so that
 * only sums over all lines of a type mean something: they wrap around 2^64 as unsigned numbers do.
 */
struct tessera_shard_counters {
    uint64_t sequence;
    uint64_t type;            /* 1 + index of the memory type; 0: the line is not in use */
    uint64_t allocations;     /* slots handed out so far */
    uint64_t frees;           /* of slots */
    uint64_t allocated_bytes; /* as the application asked for them */
    uint64_t freed_bytes;
    uint64_t occupied_bytes; /* of blocks, in slots */
    uint64_t largest_free_bytes;
};

/* Totals of one memory type. Writer: the thread that holds the type's lock; the whole group is
 * consistent under `sequence` (odd while it is being written).
 *
 * In the file, `app` (but for its peak, which covers everything) counts what was passed through,
 * and of `pooled` only the blocks and, as `free_bytes`, their bytes: the rest are sums over the
 * lines of the type's shards, which tessera_add_shard() adds. */
struct tessera_type_totals {
    uint64_t sequence;
    uint64_t moved_slots;        /* slots placed anew before their first use became visible */
    uint64_t placement_failures; /* binds that no placement could satisfy: always a defect */
    uint64_t reserved[1];
    struct tessera_totals app;
    struct tessera_totals driver;
    struct tessera_pooled pooled;
    struct tessera_pass_through pass_through[TESSERA_MAX_REASONS]; /* by enum tessera_reason */
};

/* Latencies of one command. Writers: any thread, by atomic addition; fields are independent.
 * `count` counts every call. Of calls that stay in the layer one in a number is measured, and
 * stands for that many; a call that reaches the driver always is, and stands for itself. `timed`,
 * `total_ns` and `histogram` are sums of what the measured calls stand for, so that total_ns /
 * timed
 * * count estimates the time of all calls without bias. */
struct tessera_call_totals {
    uint64_t count;
    uint64_t timed;
    uint64_t total_ns;
    uint64_t max_ns; /* of one measured call */
    uint64_t histogram[TESSERA_HISTOGRAM_BUCKETS];
};

#define TESSERA_MAX_KINDS 16u /* room for enum tessera_kind to grow */

/* budget and usage are VK_EXT_memory_budget's; a bit of `known` says which of them were ever read.
 */
#define TESSERA_HEAP_BUDGET_KNOWN 1u    /* budget_bytes and usage_bytes: the driver's figures */
#define TESSERA_HEAP_APP_USAGE_KNOWN 2u /* app_usage_bytes: what the application was told */
struct tessera_heap_record {
    uint64_t size_bytes;
    uint64_t known;
    uint64_t budget_bytes;
    uint64_t usage_bytes;
    uint64_t app_usage_bytes;
};

struct tessera_memory_type_record {
    uint64_t heap;  /* index into heaps */
    uint64_t flags; /* VkMemoryPropertyFlags */
};

enum tessera_device_state {
    TESSERA_DEVICE_ABSENT = 0,
    TESSERA_DEVICE_LIVE = 1,
    TESSERA_DEVICE_DESTROYED = 2,
    TESSERA_DEVICE_RETIRED = 3 /* record 0 only: the sum over devices that lost their own record */
};

/* One logical device. Writer: the thread that creates or destroys a device, under the process-wide
 * lock and the header's `sequence`. The exceptions: totals and call totals (as said above), the
 * counts of misuse (any thread, by atomic addition), and of the heaps the last four words, which
 * are stored one by one as they become known. Strings are UTF-8, zero padded.
 *
 * Record 0 is the sum, by index of memory type and by command, of the devices that lost their own
 * record. What counts events adds up; peaks and maxima are the largest; what is live is left out
 * (0, so `live == allocations - frees` does not hold there). Heaps and memory types are those of
 * the first such device, with the flags that all have in common. */
struct tessera_device_record {
    uint64_t state;          /* enum tessera_device_state */
    uint64_t id;             /* unique in the process, from 1; 0 in the retired record */
    uint64_t mode;           /* 1: pool, 0: off */
    uint64_t why;            /* enum tessera_reason: why the mode is off */
    uint64_t api_version;    /* VkPhysicalDeviceProperties::apiVersion */
    uint64_t driver_version; /* VkPhysicalDeviceProperties::driverVersion */
    uint64_t vendor_id;
    uint64_t device_id;
    uint64_t sample_interval; /* one in this many of the application's calls is timed, or fewer;
                               * driver calls always are, but for quick ones */
    uint64_t retired_devices; /* record 0: how many devices are summed here */
    uint64_t heap_count;
    uint64_t type_count;
    uint64_t destroyed_order; /* 1 for the first device that was destroyed; 0: it was not */
    uint64_t frames;          /* calls of vkQueuePresentKHR; any thread, by atomic addition */
    uint64_t level;           /* enum tessera_level: what this device's tables and rings hold */
    uint64_t level_since;     /* ticks: since when. Allocations that were live then have no ticks of
                               * their own, no thread and no stack */
    /* How often a table had no room for what it should hold. Any thread, by atomic addition. */
    uint64_t unrecorded[TESSERA_MAX_KINDS]; /* by enum tessera_kind; events: of those lost */
    uint64_t misuse[TESSERA_MAX_MISUSES];   /* by enum tessera_misuse */
    char name[256];                         /* VkPhysicalDeviceProperties::deviceName */
    char driver[256]; /* VkPhysicalDeviceDriverProperties::driverName, empty if unknown */
    struct tessera_heap_record heaps[TESSERA_MAX_HEAPS];
    struct tessera_memory_type_record types[TESSERA_MAX_TYPES];
    struct tessera_type_totals totals[TESSERA_MAX_TYPES];
    struct tessera_shard_counters shards[TESSERA_MAX_SHARDS];
    /* As the application made them. Pooled calls of vkAllocateMemory and vkFreeMemory are not
     * counted here, but in `shards`. */
    struct tessera_call_totals calls[TESSERA_MAX_CALLS];
    struct tessera_call_totals driver_calls[TESSERA_MAX_CALLS]; /* as the layer made them */
};

/* ---- Tables: levels `full` and `events`
 * ----------------------------------------------------------
 *
 * A table is a set of extents of one kind with one owner; the record with number N lies in the
 * extent with first <= N < first + count. Each record has a sequence of its own, as that of other
 * groups; `object == 0` (or what is said below) means that the record is not in use. Tables of a
 * destroyed device show what lived at its end. */

enum tessera_level { TESSERA_LEVEL_totals = 0, TESSERA_LEVEL_full = 1, TESSERA_LEVEL_events = 2 };

/* What an extent holds. Numbers are never reused. */
enum tessera_kind {
    TESSERA_KIND_FREE = 0,      /* to be used again */
    TESSERA_KIND_DEVICE = 1,    /* one struct tessera_device_record. owner: 0; first: its number */
    TESSERA_KIND_SLOTS = 2,     /* struct tessera_allocation_record, pooled. owner: device id */
    TESSERA_KIND_PASSED = 3,    /* the same, of what was passed through */
    TESSERA_KIND_BLOCKS = 4,    /* struct tessera_block_record. owner: device id */
    TESSERA_KIND_RESOURCES = 5, /* struct tessera_resource_record. owner: device id */
    TESSERA_KIND_RING = 6,      /* one struct tessera_ring and its events. owner: device id; first:
                                 * the number of the ring */
    TESSERA_KIND_STACKS = 7,    /* struct tessera_stack_record. owner: 0 */
    TESSERA_KIND_MODULES = 8,   /* struct tessera_module_record. owner: 0 */
    TESSERA_KIND_THREADS = 9,   /* struct tessera_thread_record. owner: 0 */
    TESSERA_KIND_COUNT
};

/* A part of the segment. Writer: under the process-wide lock and the header's `sequence`. Extents
 * do not overlap, begin at multiples of 4,096 and lie within segment_bytes. */
struct tessera_extent {
    uint64_t offset; /* of the file */
    uint64_t bytes;  /* 0: the entry is not in use */
    uint32_t kind;   /* enum tessera_kind */
    uint32_t first;  /* number of its first record */
    uint64_t owner;  /* id of the device whose records these are; 0: of the process */
};

/* How an allocation came to its place. */
enum tessera_allocation_flag {
    TESSERA_ALLOCATION_MAPPED = 1u << 0, /* now */
    TESSERA_ALLOCATION_BOUND = 1u << 1,  /* something was bound to it */
    TESSERA_ALLOCATION_SOLO = 1u << 2,   /* it has its block to itself */
    TESSERA_ALLOCATION_LARGE = 1u << 3,  /* in a block for large allocations */
    TESSERA_ALLOCATION_LINEAR = 1u << 4, /* meant for buffers and linear images only */
    TESSERA_ALLOCATION_OPTIMAL = 1u << 5 /* meant for optimal images only */
};

/* One live allocation: what the application has for one vkAllocateMemory. One cache line, since it
 * is written with each. Writer: the thread that holds the lock of the allocation's shard (what is
 * passed through: of the table). `flags` is changed by atomic or and and, by any thread. */
struct tessera_allocation_record {
    uint64_t sequence;
    uint64_t object;     /* the VkDeviceMemory that the application has; 0: not in use */
    uint64_t size_bytes; /* as the application asked for it */
    uint64_t offset;     /* bytes, in its block; 0 for what was passed through */
    uint64_t ticks;   /* when it was made, see struct tessera_clock; 0: before this was recorded */
    uint32_t block;   /* number of its record among the blocks; passed through: the reason */
    uint32_t padding; /* bytes that it takes beyond size_bytes */
    uint64_t flags;   /* enum tessera_allocation_flag */
    uint8_t type;     /* index of the memory type */
    uint8_t reserved[3];
    uint16_t thread; /* number of its thread among the threads; 0: not known */
    uint16_t stack;  /* number of its call stack among the stacks; 0: none was taken */
};

enum tessera_block_flag {
    TESSERA_BLOCK_SOLO = 1u << 0,          /* for one allocation at a time */
    TESSERA_BLOCK_LARGE = 1u << 1,         /* for large allocations only */
    TESSERA_BLOCK_LINEAR = 1u << 2,        /* for buffers and linear images only */
    TESSERA_BLOCK_OPTIMAL = 1u << 3,       /* for optimal images only */
    TESSERA_BLOCK_DEVICE_ADDRESS = 1u << 4 /* made for buffers whose address is taken */
};

/* A VkDeviceMemory that the layer made, to place allocations in. Writer: the thread that holds the
 * lock of the memory type. */
struct tessera_block_record {
    uint64_t sequence;
    uint64_t object; /* the driver's VkDeviceMemory; 0: not in use */
    uint64_t bytes;
    uint64_t ticks;   /* when it was made */
    uint64_t made_ns; /* how long the driver took for it */
    uint32_t type;    /* index of the memory type */
    uint32_t flags;   /* enum tessera_block_flag */
    uint64_t reserved[2];
};

/* A buffer, an image or another object that is bound to memory, or a name for memory itself.
 * Writer: the thread that holds the lock of the device's resources. Not in use: object_type 0. */
struct tessera_resource_record {
    uint64_t sequence;
    uint64_t object;      /* its handle */
    uint64_t memory;      /* the application's VkDeviceMemory that it is bound to; 0: none now */
    uint64_t offset;      /* bytes, in that memory, as the application sees it */
    uint64_t size_bytes;  /* as its requirements said; 0: not known */
    uint64_t usage;       /* VkBufferUsageFlags or VkImageUsageFlags; 0: not known */
    uint32_t object_type; /* VkObjectType; VK_OBJECT_TYPE_DEVICE_MEMORY: a name alone */
    uint32_t format;      /* VkFormat of an image; 0: not known, or none */
    uint32_t width;       /* of an image */
    uint32_t height;
    uint32_t depth_or_layers; /* the larger of depth and array layers */
    uint32_t levels;          /* of mipmaps; bit 31: linear tiling */
    uint64_t reserved[7];
    char name[TESSERA_NAME_BYTES]; /* of VK_EXT_debug_utils or _debug_marker; empty: none */
};

/* What happened. Numbers are never reused; names as above. */
#define TESSERA_EVENTS(X)                                                             \
    X(allocate, 1, "the application allocated memory; value: bytes")                  \
    X(free, 2, "it freed memory; value: bytes")                                       \
    X(bind, 3, "it bound something to memory; value: the offset")                     \
    X(map, 4, "it mapped memory; value: bytes")                                       \
    X(unmap, 5, "it unmapped memory")                                                 \
    X(move, 6, "an allocation was placed anew; value: its offset now")                \
    X(block_made, 7, "the driver made a block; value: bytes")                         \
    X(block_released, 8, "a block went back to the driver; value: bytes")             \
    X(failure, 9, "a call failed; value: VkResult, its sign extended")                \
    X(pass_through, 10, "as allocate, of what the driver served; detail: the reason") \
    X(frame, 11, "a picture was presented; value: its number")                        \
    X(level, 12, "recording began here at this level; value: enum tessera_level")

enum tessera_event_kind {
#define TESSERA_ENUMERATOR(name, number, text) TESSERA_EVENT_##name = number,
    TESSERA_EVENTS(TESSERA_ENUMERATOR)
#undef TESSERA_ENUMERATOR
        TESSERA_EVENT_COUNT
};

/* One event. What is freed is told by `free` whether it was pooled or not. */
struct tessera_event {
    uint64_t ticks;  /* when, see struct tessera_clock */
    uint8_t kind;    /* enum tessera_event_kind */
    uint8_t type;    /* index of the memory type; 255: none */
    uint16_t detail; /* pass_through: enum tessera_reason. block_made: 1 +
                      * tessera_histogram_bucket() of the time that the driver took. failure: enum
                      * tessera_call. allocate, free, block_released: the same as of block_made if
                      * it was measured, else 0 */
    uint16_t thread; /* as in tessera_allocation_record */
    uint16_t stack;
    uint64_t object; /* the application's VkDeviceMemory; block_made and _released: the driver's */
    uint64_t value;
};

/* The newest events of a lane, in the order in which they were written. Writer: one thread at a
 * time, which holds the lane's lock: it stores the event number `written` at written % capacity,
 * then (release) written + 1. A reader loads `written`, copies, then (acquire) loads it again: of
 * what it copied, events with a number of at most that less `capacity` were overwritten. Lanes of
 * a process are put into one order by `ticks`. */
struct tessera_ring {
    uint64_t written;  /* events so far */
    uint64_t capacity; /* events; a power of two, and fixed */
    uint64_t reserved[6];
    /* followed by: struct tessera_event events[capacity]; */
};

/* A call stack. Writer: under the lock of the stacks; never changed once its `sequence` is even and
 * not 0. Record 0 is not in use. */
struct tessera_stack_record {
    uint64_t sequence;
    uint64_t depth; /* addresses in use, at most TESSERA_MAX_FRAMES; 0: not in use */
    uint64_t addresses[TESSERA_MAX_FRAMES]; /* where calls return to, innermost first */
};

/* A file whose code may be in call stacks. Writer: under the lock of the stacks. */
struct tessera_module_record {
    uint64_t sequence;
    uint64_t start; /* of the addresses that it takes; 0: not in use */
    uint64_t end;
    uint64_t bias;        /* address less the address in the file's symbols */
    uint64_t id_bytes;    /* of build_id */
    uint8_t build_id[32]; /* NT_GNU_BUILD_ID, its first bytes */
    char path[440];       /* empty if not known or too long */
};

/* A thread that allocated. Writer: the thread itself, once. Record 0 is not in use. */
struct tessera_thread_record {
    uint64_t sequence;
    uint64_t tid; /* as gettid() says; 0: not in use */
    char name[16];
};

/* Which time `ticks` are. They are the processor's cycle counter where it runs evenly, else ns of
 * CLOCK_MONOTONIC. At `ticks0` it was `ns0`, at `ticks1` `ns1` (both of CLOCK_MONOTONIC); other
 * times lie on the line through both. Writer: under the process-wide lock, consistent under the
 * header's `sequence`. */
struct tessera_clock {
    uint64_t ticks0;
    uint64_t ns0;
    uint64_t ticks1;
    uint64_t ns1;
};

/* The one request that a reader may make, in a file of its own beside the segment:
 * PID-STARTTIME.level, one such structure, made by whoever asks (exclusively, mode 0600) or written
 * anew in place. The process looks at it every quarter of a second, copies it, and obeys if the
 * file is a regular one of its own user of this size, and everything in it is as said here.
 * `serial` is shown in the header once the request was dealt with. */
struct tessera_level_request {
    uint64_t magic; /* TESSERA_LEVEL_MAGIC */
    uint64_t pid;   /* the segment's */
    uint64_t start_time;
    uint64_t serial; /* any number that differs from the last one */
    uint64_t level;  /* enum tessera_level */
    uint64_t stacks; /* one in this many allocations keeps its call stack; 0: none;
                      * TESSERA_STACKS_AS_IS: as it is */
    uint64_t check;  /* the exclusive or of the words before it */
};
#define TESSERA_LEVEL_MAGIC UINT64_C(0x314c564c41535354) /* "TSSALVL1" in memory order */
#define TESSERA_STACKS_AS_IS UINT64_C(0xffffffffffffffff)

enum tessera_process_state {
    TESSERA_PROCESS_LIVE = 1,  /* an instance exists */
    TESSERA_PROCESS_CLOSED = 2 /* the last instance was destroyed; another may follow */
};

/* The head of the segment. Writer: the owning process, under its process-wide lock. `sequence` is
 * odd while the set of devices or anything else below it changes, so that a reader that finds it
 * unmoved has each device once. */
struct tessera_channel_header {
    uint64_t magic; /* TESSERA_CHANNEL_MAGIC, stored last */
    uint32_t abi_version;
    uint32_t header_bytes;  /* sizeof(struct tessera_channel_header) */
    uint64_t record_bytes;  /* sizeof(struct tessera_device_record) */
    uint64_t segment_bytes; /* bytes of the file that are backed by pages; only grows */
    uint64_t max_bytes;     /* segment_bytes never passes it */
    uint64_t extent_count;  /* entries of `extents` that were ever in use */
    uint64_t pid;
    uint64_t pid_start_time; /* field 22 of /proc/PID/stat, in clock ticks since boot */
    uint64_t parent_pid;
    uint64_t uid;
    uint64_t created_ns;      /* CLOCK_REALTIME, ns since 1970 */
    uint64_t closed_ns;       /* CLOCK_REALTIME of the last close, 0 if never */
    uint64_t state;           /* enum tessera_process_state */
    uint64_t loads;           /* how often a first instance opened the segment, from 1 */
    uint64_t dropped_devices; /* devices that got no record */
    uint64_t next_device_id;
    uint64_t sequence;
    uint64_t destroyed_devices;    /* of those with a record, so far */
    uint64_t level;                /* enum tessera_level: of devices from now on */
    uint64_t stack_interval;       /* one in this many allocations keeps its call stack; 0: none */
    uint64_t level_serial;         /* of the last tessera_level_request that was dealt with */
    uint64_t created_monotonic_ns; /* CLOCK_MONOTONIC at created_ns */
    struct tessera_clock clock;
    uint64_t reserved[6];
    char process[256]; /* base name of the executable */
    char layer_version[32];
    uint64_t padding[444]; /* up to here: one page of 4,096 bytes */
    struct tessera_extent extents[TESSERA_MAX_EXTENTS];
};

/* Bucket of a duration: four buckets an octave. Bucket 0 holds 0 ns; below 4 ns buckets are exact;
 * the last bucket is open. Durations of bucket b lie in [floor(b), floor(b + 1)) with the function
 * below it. */
static inline uint32_t tessera_histogram_bucket(uint64_t ns) {
    uint32_t octave = 0;
    uint64_t rest;
    uint32_t bucket;
    if (ns < 4) return (uint32_t)ns;
    rest = ns;
    while (rest >= 8) {
        rest >>= 1;
        octave++;
    }
    bucket = 4u + octave * 4u + (uint32_t)(rest - 4u);
    return bucket < TESSERA_HISTOGRAM_BUCKETS ? bucket : TESSERA_HISTOGRAM_BUCKETS - 1u;
}

/* Adds what a shard of a memory type counted to a copy of the type's totals, which then say what
 * their fields' names say. To be called once for each line of the type, with copies of both. */
static inline void tessera_add_shard(struct tessera_type_totals* totals,
                                     const struct tessera_shard_counters* shard) {
    const uint64_t live = shard->allocations - shard->frees;
    const uint64_t live_bytes = shard->allocated_bytes - shard->freed_bytes;
    totals->app.live += live;
    totals->app.live_bytes += live_bytes;
    totals->app.allocations += shard->allocations;
    totals->app.frees += shard->frees;
    totals->pooled.live += live;
    totals->pooled.live_bytes += live_bytes;
    totals->pooled.allocations += shard->allocations;
    totals->pooled.free_bytes -= shard->occupied_bytes;
    if (totals->pooled.largest_free_bytes < shard->largest_free_bytes)
        totals->pooled.largest_free_bytes = shard->largest_free_bytes;
}

/* The smallest duration, in ns, that falls into `bucket`. */
static inline uint64_t tessera_histogram_floor(uint32_t bucket) {
    if (bucket < 4u) return bucket;
    return (uint64_t)(4u + (bucket - 4u) % 4u) << ((bucket - 4u) / 4u);
}

#ifdef __cplusplus
}
#endif

/* Bytes of one record of a table's extents; 0 for what is not a table. */
static inline uint64_t tessera_record_bytes(uint32_t kind) {
    switch (kind) {
        case TESSERA_KIND_DEVICE:
            return sizeof(struct tessera_device_record);
        case TESSERA_KIND_SLOTS:
        case TESSERA_KIND_PASSED:
            return sizeof(struct tessera_allocation_record);
        case TESSERA_KIND_BLOCKS:
            return sizeof(struct tessera_block_record);
        case TESSERA_KIND_RESOURCES:
            return sizeof(struct tessera_resource_record);
        case TESSERA_KIND_STACKS:
            return sizeof(struct tessera_stack_record);
        case TESSERA_KIND_MODULES:
            return sizeof(struct tessera_module_record);
        case TESSERA_KIND_THREADS:
            return sizeof(struct tessera_thread_record);
        default:
            return 0;
    }
}

static_assert(offsetof(struct tessera_channel_header, extents) == 4096, "ABI: one page");
static_assert(sizeof(struct tessera_channel_header) == 36864, "ABI: nine pages");
static_assert(sizeof(struct tessera_extent) == 32, "ABI");
static_assert(sizeof(struct tessera_allocation_record) == 64, "ABI: one cache line");
static_assert(sizeof(struct tessera_block_record) == 64, "ABI");
static_assert(sizeof(struct tessera_resource_record) == 192, "ABI");
static_assert(sizeof(struct tessera_event) == 32, "ABI: two a cache line");
static_assert(sizeof(struct tessera_ring) == 64, "ABI: one cache line");
static_assert(sizeof(struct tessera_stack_record) == 256, "ABI");
static_assert(sizeof(struct tessera_module_record) == 512, "ABI");
static_assert(sizeof(struct tessera_thread_record) == 32, "ABI");
static_assert(sizeof(struct tessera_level_request) == 56, "ABI");
static_assert(TESSERA_KIND_COUNT <= TESSERA_MAX_KINDS, "room for kinds");
static_assert(sizeof(struct tessera_totals) == 48, "ABI");
static_assert(sizeof(struct tessera_pooled) == 56, "ABI");
static_assert(sizeof(struct tessera_shard_counters) == 64, "ABI: one cache line");
static_assert(offsetof(struct tessera_device_record, shards) % 64 == 0, "lines are cache lines");
static_assert(sizeof(struct tessera_type_totals) == 952, "ABI");
static_assert(sizeof(struct tessera_call_totals) == 1056, "ABI");
static_assert(sizeof(struct tessera_device_record) == 100096 + 128 * 64, "ABI");
static_assert(TESSERA_REASON_COUNT <= TESSERA_MAX_REASONS, "room for reasons");
static_assert(TESSERA_MISUSE_COUNT <= TESSERA_MAX_MISUSES, "room for kinds of misuse");
static_assert(TESSERA_CALL_COUNT <= TESSERA_MAX_CALLS, "room for calls");

#endif  // TESSERA_CHANNEL_ABI_H_
