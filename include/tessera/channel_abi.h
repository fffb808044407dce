// SPDX-License-Identifier: Apache-2.0
//
// The binary interface of Tessera's statistics channel, version 2.
//
// A process that loads the layer owns one *segment*: a file that it alone writes and that any
// number of readers may copy. This header is the whole contract between them. It is usable from C11
// and C++.
//
//   file      $XDG_RUNTIME_DIR/tessera/PID-STARTTIME.channel, else /dev/shm/tessera-UID/...
//   layout    +-------------------------+ 0
//             | tessera_channel_header  |
//             +-------------------------+ header_bytes
//             | tessera_device_record 0 |   record 0 is the sum of what was retired
//             | tessera_device_record 1 |
//             | ...                     |   device_capacity records are backed by pages
//             +-------------------------+ segment_bytes = header_bytes + capacity * record_bytes
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
#define TESSERA_CHANNEL_ABI_VERSION 2u

/* No segment is larger than this, whatever its `max_bytes` says. */
#define TESSERA_CHANNEL_LIMIT_BYTES (UINT64_C(64) << 20)

/* Capacities of the fixed arrays below; the counts in use are stored beside the arrays. */
#define TESSERA_MAX_HEAPS 16u          /* VK_MAX_MEMORY_HEAPS */
#define TESSERA_MAX_TYPES 32u          /* VK_MAX_MEMORY_TYPES */
#define TESSERA_MAX_REASONS 32u        /* room for enum tessera_reason to grow */
#define TESSERA_MAX_CALLS 32u          /* room for enum tessera_call to grow */
#define TESSERA_MAX_SHARDS 128u        /* over all memory types of a device */
#define TESSERA_HISTOGRAM_BUCKETS 128u /* see tessera_histogram_bucket() */
#define TESSERA_MAX_MISUSES 16u        /* room for enum tessera_misuse to grow */
#define TESSERA_MAX_DESTROYED 64u      /* destroyed devices that keep a record of their own */

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
 * `count` counts every call, `timed` those whose duration was measured. */
struct tessera_call_totals {
    uint64_t count;
    uint64_t timed;
    uint64_t total_ns; /* over the timed calls */
    uint64_t max_ns;
    uint64_t histogram[TESSERA_HISTOGRAM_BUCKETS]; /* of the timed calls */
};

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
    uint64_t reserved[3];
    uint64_t misuse[TESSERA_MAX_MISUSES]; /* by enum tessera_misuse */
    char name[256];                       /* VkPhysicalDeviceProperties::deviceName */
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
    uint32_t header_bytes;    /* sizeof(struct tessera_channel_header): where record 0 starts */
    uint64_t record_bytes;    /* sizeof(struct tessera_device_record) */
    uint64_t segment_bytes;   /* bytes of the file that are backed by pages; only grows */
    uint64_t max_bytes;       /* segment_bytes never passes it */
    uint64_t device_capacity; /* records inside segment_bytes */
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
    uint64_t destroyed_devices; /* of those with a record, so far */
    uint64_t reserved[14];
    char process[256]; /* base name of the executable */
    char layer_version[32];
    uint64_t padding[444]; /* the header fills one page of 4,096 bytes */
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

static_assert(sizeof(struct tessera_channel_header) == 4096, "the header is one page");
static_assert(sizeof(struct tessera_totals) == 48, "ABI");
static_assert(sizeof(struct tessera_pooled) == 56, "ABI");
static_assert(sizeof(struct tessera_shard_counters) == 64, "ABI: one cache line");
static_assert(offsetof(struct tessera_device_record, shards) % 64 == 0, "lines are cache lines");
static_assert(sizeof(struct tessera_type_totals) == 952, "ABI");
static_assert(sizeof(struct tessera_call_totals) == 1056, "ABI");
static_assert(sizeof(struct tessera_device_record) == 99968 + 128 * 64, "ABI");
static_assert(TESSERA_REASON_COUNT <= TESSERA_MAX_REASONS, "room for reasons");
static_assert(TESSERA_MISUSE_COUNT <= TESSERA_MAX_MISUSES, "room for kinds of misuse");
static_assert(TESSERA_CALL_COUNT <= TESSERA_MAX_CALLS, "room for calls");

#endif  // TESSERA_CHANNEL_ABI_H_
