/* SPDX-License-Identifier: Apache-2.0
 *
 * Control and observation of the mock driver from a test in the same process. The driver is an
 * ordinary driver to the loader; this is its back door, plain C, so that any test program can use
 * it:
 *
 *     void* library = dlopen(path_of_the_driver, RTLD_NOW);
 *     PFN_tessera_mock_get get = (PFN_tessera_mock_get)dlsym(library, "tessera_mock_get");
 *     const TesseraMock* mock = get();
 *
 * Opening it first and the loader later gives the same library, in either order, and it is never
 * unloaded: what is set here lives until reset() or the end of the process, across instances.
 * C++ tests find mock_client.h more comfortable.
 *
 * Commands are named as in Vulkan, "vkAllocateMemory". An alias ("vkBindBufferMemory2KHR") means
 * the command that it is another name of; both are counted and failed as one.
 *
 * Threads: every function may be called from any thread at any time, also from a hook.
 */
#ifndef TESSERA_TESTS_DRIVER_MOCK_CONTROL_H
#define TESSERA_TESTS_DRIVER_MOCK_CONTROL_H

#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan_core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows with every change of the structures below. */
#define TESSERA_MOCK_CONTROL_VERSION 4u

#define TESSERA_MOCK_MAX_CHAIN 8u
#define TESSERA_MOCK_MAX_NAME 64u

/* Counts of one memory type. `live*` and `peak*` are of devices that are alive. */
typedef struct TesseraMockTotals {
    uint64_t live;
    uint64_t live_bytes;
    uint64_t peak_live; /* of one device */
    uint64_t peak_bytes;
    uint64_t allocations; /* ever */
    uint64_t frees;
} TesseraMockTotals;

/* One live VkDeviceMemory of the driver, as the driver sees it. */
typedef struct TesseraMockMemory {
    VkDevice device;
    VkDeviceMemory memory;
    uint32_t type_index;
    VkMemoryAllocateFlags flags;
    VkDeviceSize size_bytes;
    float priority;
    VkBool32 mapped;
    VkDeviceSize map_offset; /* meaningful while mapped */
    VkDeviceSize map_size;
    uint64_t dedicated_buffer; /* handles, or 0 */
    uint64_t dedicated_image;
    uint32_t bound_count;                          /* resources bound to it, sparse ones excluded */
    uint32_t chain_count;                          /* structures chained to its allocate info ... */
    VkStructureType chain[TESSERA_MOCK_MAX_CHAIN]; /* ... and the first of them */
    char name[TESSERA_MOCK_MAX_NAME];              /* of vkSetDebugUtilsObjectNameEXT, or "" */
} TesseraMockMemory;

/* Where a resource lies in the driver's memory. */
typedef struct TesseraMockBinding {
    VkDeviceMemory memory; /* VK_NULL_HANDLE: not bound, or sparse */
    VkDeviceSize offset;
    VkDeviceSize size_bytes; /* of its requirement, as the next two */
    VkDeviceSize alignment;
    uint32_t memory_type_bits;
} TesseraMockBinding;

typedef void (*TesseraMockHook)(void* user, const char* command);

typedef struct TesseraMock {
    uint32_t version; /* TESSERA_MOCK_CONTROL_VERSION of the driver */

    /* --- violations: what the driver was told that breaks the specification --- */

    /* Returns how many were recorded since the last clear. */
    uint64_t (*violation_count)(void);
    /* Copies the text of one, cut to `size` bytes with the ending 0. Returns the text's length; 0
     * if there is no such text (only the first 4,096 are kept). `buffer` may be null if `size` is
     * 0. */
    size_t (*violation_text)(uint64_t index, char* buffer, size_t size);
    void (*clear_violations)(void);

    /* --- the device --- */

    /* Sets the text that describes the physical devices of instances created from now on; it wins
     * over TESSERA_MOCK_DESCRIPTION. NULL or "" gives way to the environment again. Returns 1, or 0
     * (and changes nothing) if the text is wrong; the reason goes to stderr. */
    int (*set_description)(const char* text);

    /* --- calls --- */

    /* Returns how often a command was called since the last reset; 0 for an unknown name. */
    uint64_t (*call_count)(const char* command);
    void (*reset_call_counts)(void);
    /* Makes the nth call from now (1 is the next) of a command return `result` and do nothing; with
     * `sticky`, all calls after it as well. Rules add up. Returns 1, or 0 if the command is unknown
     * or returns no VkResult, or if nth is 0 or result VK_SUCCESS. */
    int (*fail_call)(const char* command, uint64_t nth, VkResult result, int sticky);
    void (*clear_faults)(void);
    /* Busy time of every call of a command, in nanoseconds. Returns 0 for an unknown name. */
    int (*set_cost_ns)(const char* command, uint64_t ns);
    /* Calls `hook` in the middle of every call of a command: after its handles were marked as in
     * use, before it acts, with no lock held. The hook may block and may call Vulkan. NULL removes
     * it; one that is running then may still end. Returns 0 for an unknown name. */
    int (*set_hook)(const char* command, TesseraMockHook hook, void* user);

    /* --- objects --- */

    /* Makes the next `count` created objects of this type take these values as their handles, on
     * whatever device. A value of 0 or of a live object is replaced by an ordinary one. */
    void (*set_next_handles)(VkObjectType type, const uint64_t* values, uint32_t count);
    /* Counts of a memory type, of one device or, with VK_NULL_HANDLE, of all, destroyed ones
     * included. */
    void (*totals)(VkDevice device, uint32_t type_index, TesseraMockTotals* out);
    /* Writes up to `capacity` live memories of a device (VK_NULL_HANDLE: all), oldest handle value
     * first. Returns how many there are. `out` may be null if `capacity` is 0. */
    uint32_t (*memories)(VkDevice device, TesseraMockMemory* out, uint32_t capacity);
    /* Counts live objects of a type on a device (VK_NULL_HANDLE: on all). */
    uint32_t (*live_objects)(VkDevice device, VkObjectType type);
    /* Finds where a resource is bound. `plane` is 0 unless the image is disjoint. Returns 0 if the
     * handle is unknown. */
    int (*find_buffer)(VkDevice device, VkBuffer buffer, TesseraMockBinding* out);
    int (*find_image)(VkDevice device, VkImage image, uint32_t plane, TesseraMockBinding* out);
    /* Copy bytes as the device sees them, past every host cache. Return 0 if the handle is unknown
     * or the range leaves the memory. */
    int (*read_memory)(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, void* out,
                       size_t size);
    int (*write_memory)(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset,
                        const void* data, size_t size);

    /* Forgets violations, counts, faults, hooks, costs, forced handles and the description. Objects
     * and their totals stay. */
    void (*reset)(void);

    /* Returns the name of a built-in description ("preset:" and this is a text for
     * set_description), in a fixed order; NULL from their number on. Tests of what must hold on any
     * machine go through all of them. */
    const char* (*preset_name)(uint32_t index);

    /* Returns the name of a command that returns a VkResult, hence can be failed, in a fixed order;
     * NULL from their number on. Aliases are left out. */
    const char* (*result_command)(uint32_t index);

    /* --- what only the test knows --- */

    /* Tells that the application has freed the memory of this buffer or this image (one of them is
     * null) and will only destroy it. The driver cannot know where a layer frees a part of a
     * memory; such a resource shares no granule with anybody any more. Returns 0 if neither is
     * known. */
    int (*abandon)(VkDevice device, VkBuffer buffer, VkImage image);
} TesseraMock;

typedef const TesseraMock* (*PFN_tessera_mock_get)(void);

/* Exported by the driver. The result lives as long as the process. */
const TesseraMock* tessera_mock_get(void);

#ifdef __cplusplus
}
#endif

#endif /* TESSERA_TESTS_DRIVER_MOCK_CONTROL_H */
