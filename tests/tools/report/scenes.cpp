// SPDX-License-Identifier: Apache-2.0
//
// See scenes.h. Nothing is random: what varies comes from a generator with a fixed start.
#include "tests/tools/report/scenes.h"

#include <vulkan/vulkan_core.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace tessera::test {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kStart = 100 * kSecond;

// Numbers that look random.
class Numbers {
 public:
    uint64_t Below(uint64_t limit) {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return (state_ >> 33) % limit;
    }

 private:
    uint64_t state_ = 42;
};

void Time(tessera_call_totals& call, uint64_t count, uint64_t ns) {
    call.count += count;
    call.timed += count;
    call.total_ns += count * ns;
    call.max_ns = std::max(call.max_ns, ns);
    call.histogram[tessera_histogram_bucket(ns)] += count;
}

void AddBlock(reader::Device& device, uint32_t type, uint64_t bytes, uint32_t flags) {
    reader::Block block;
    block.memory = 0x1000 + device.detail.blocks.size();
    block.bytes = bytes;
    block.made_ns = kStart + device.detail.blocks.size() * kSecond / 4;
    block.driver_ns = 180'000;
    block.type = type;
    block.flags = flags;
    device.detail.blocks.push_back(block);
    tessera_type_totals& totals = device.memory_types[type].totals;
    ++totals.driver.live;
    ++totals.driver.allocations;
    totals.driver.live_bytes += bytes;
    totals.driver.peak_bytes = totals.driver.live_bytes;
    ++totals.pooled.blocks;
    totals.pooled.block_bytes += bytes;
    totals.pooled.free_bytes += bytes;
}

void Bind(reader::Device& device, const std::string& name, uint32_t object_type, uint64_t usage,
          uint32_t width = 0, uint32_t format = 0) {
    reader::Allocation& allocation = device.detail.allocations.back();
    allocation.flags |= TESSERA_ALLOCATION_BOUND;
    allocation.name = name;
    reader::Resource resource;
    resource.object = 0x5000 + device.detail.resources.size();
    resource.object_type = object_type;
    resource.memory = allocation.memory;
    resource.allocation = static_cast<uint32_t>(device.detail.allocations.size() - 1);
    resource.size_bytes = allocation.size_bytes;
    resource.usage = usage;
    resource.width = resource.height = width;
    resource.depth_or_layers = resource.levels = width > 0 ? 1 : 0;
    resource.format = format;
    resource.name = name;
    device.detail.resources.push_back(std::move(resource));
}

// Fills the newest block of `device` with textures, or with buffers.
void FillBlock(reader::Device& device, Numbers& numbers, bool images) {
    const uint32_t block = static_cast<uint32_t>(device.detail.blocks.size() - 1);
    const uint64_t bytes = device.detail.blocks[block].bytes;
    static constexpr std::array<const char*, 6> kNames = {
        "albedo", "normal map", "shadow map", "terrain tile", "sky", "glyph atlas"};
    uint64_t offset = 0;
    while (offset + 2 * kMiB < bytes) {
        if (numbers.Below(9) == 0) {
            offset += numbers.Below(kMiB * 4) / 65'536 * 65'536;
            continue;
        }
        const uint64_t size = images ? (uint64_t{65'536} << numbers.Below(6))
                                     : (uint64_t{4'096} << numbers.Below(7)) + 256;
        if (offset + size > bytes) break;
        reader::Allocation& allocation = AddAllocation(device, block, offset, size);
        allocation.thread = static_cast<uint32_t>(numbers.Below(3));
        allocation.stack = static_cast<uint32_t>(numbers.Below(4));
        allocation.made_ns = kStart + numbers.Below(19 * kSecond);
        const uint64_t pick = numbers.Below(6);
        if (images) {
            const std::string name =
                std::string(kNames.at(pick)) + " " + std::to_string(numbers.Below(40));
            const bool target = pick == 2;
            Bind(device, name, VK_OBJECT_TYPE_IMAGE,
                 target ? VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT | VK_IMAGE_USAGE_SAMPLED_BIT
                        : VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
                 512, target ? VK_FORMAT_D32_SFLOAT : VK_FORMAT_R8G8B8A8_UNORM);
        } else if (pick < 5) {
            static constexpr std::array<uint64_t, 5> kUsages = {
                VK_BUFFER_USAGE_VERTEX_BUFFER_BIT, VK_BUFFER_USAGE_INDEX_BUFFER_BIT,
                VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                VK_BUFFER_USAGE_TRANSFER_SRC_BIT};
            Bind(device, pick == 2 ? "per frame constants" : "", VK_OBJECT_TYPE_BUFFER,
                 kUsages.at(pick));
        }
        offset += (size + 65'535) / 65'536 * 65'536;
    }
}

reader::Event MadeEvent(uint64_t time_ns, tessera_event_kind kind, uint64_t object, uint64_t value,
                        uint16_t detail = 0) {
    reader::Event event;
    event.time_ns = time_ns;
    event.device = 1;
    event.kind = static_cast<uint8_t>(kind);
    event.type = 1;
    event.detail = detail;
    event.thread = 1;
    event.stack = 1;
    event.object = object;
    event.value = value;
    return event;
}

uint16_t Took(uint64_t ns) {
    return static_cast<uint16_t>(1 + tessera_histogram_bucket(ns));
}

// 20 seconds at 60 frames a second. What is allocated in a frame is freed in it.
void PlayFrames(MadeSource& source, Numbers& numbers) {
    uint64_t object = 1 << 20;
    std::vector<std::pair<uint64_t, uint64_t>> loading;
    for (uint64_t frame = 0; frame < 1'200; ++frame) {
        uint64_t time_ns = kStart + frame * kSecond / 60 + numbers.Below(800'000);
        for (int i = 0; i < 3; ++i) {
            source.events.push_back(
                MadeEvent(time_ns += 5'000, TESSERA_EVENT_allocate, ++object, 256, Took(260'000)));
            source.events.push_back(
                MadeEvent(time_ns += 300'000, TESSERA_EVENT_free, object, 256, Took(90'000)));
        }
        // A level is loaded, and half of the one before is dropped.
        if (frame % 200 < 60) {
            const uint64_t bytes = kMiB << numbers.Below(4);
            reader::Event event = MadeEvent(time_ns += 2'000, TESSERA_EVENT_allocate, ++object,
                                            bytes, frame % 4 == 0 ? Took(3'100) : uint16_t{0});
            event.type = 0;
            event.thread = 2;
            event.stack = 2;
            source.events.push_back(event);
            loading.emplace_back(object, bytes);
        } else if (frame % 200 == 150) {
            for (size_t i = 0; i + loading.size() / 2 < loading.size(); ++i) {
                reader::Event event = MadeEvent(time_ns += 500, TESSERA_EVENT_free,
                                                loading[i].first, loading[i].second);
                event.type = 0;
                event.thread = 2;
                source.events.push_back(event);
            }
            loading.erase(loading.begin(),
                          loading.begin() + static_cast<ptrdiff_t>(loading.size() / 2));
        }
        if (frame % 130 == 5)
            source.events.push_back(
                MadeEvent(time_ns += 900, TESSERA_EVENT_block_made, frame, 64 * kMiB));
        source.events.push_back(MadeEvent(time_ns + 2'000'000, TESSERA_EVENT_frame, 0, frame));
    }
}

}  // namespace

std::string MadeSource::ForEachEvents(
    const std::function<void(std::span<const reader::Event>)>& each) {
    if (generate) {
        for (size_t batch = 0;; ++batch) {
            const std::vector<reader::Event> made = generate(batch);
            if (made.empty()) break;
            each(made);
        }
    } else {
        // In batches, as real sources do.
        const std::span<const reader::Event> all(events);
        for (size_t i = 0; i < all.size(); i += 1'000)
            each(all.subspan(i, std::min<size_t>(1'000, all.size() - i)));
    }
    return problem;
}

reader::Device EmptyDevice(size_t types) {
    reader::Device device;
    device.id = 1;
    device.state = TESSERA_DEVICE_LIVE;
    device.name = "Mock GPU 9000";
    device.driver = "mock";
    device.api_version = 1u << 22 | 3u << 12 | 239u;
    device.pooled = true;
    device.sample_interval = 64;
    device.heaps = {{.size_bytes = 8192 * kMiB,
                     .known = TESSERA_HEAP_BUDGET_KNOWN,
                     .budget_bytes = 7000 * kMiB,
                     .usage_bytes = 900 * kMiB,
                     .app_usage_bytes = 0},
                    {.size_bytes = 16384 * kMiB,
                     .known = 0,
                     .budget_bytes = 0,
                     .usage_bytes = 0,
                     .app_usage_bytes = 0}};
    for (uint32_t i = 0; i < types; ++i) {
        reader::MemoryType type;
        type.heap = i % 2;
        type.flags =
            i % 2 == 0 ? VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
                       : VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
        device.memory_types.push_back(type);
    }
    device.calls.resize(TESSERA_CALL_COUNT);
    device.driver_calls.resize(TESSERA_CALL_COUNT);
    device.detail.level = TESSERA_LEVEL_events;
    device.detail.since_ns = kStart;
    return device;
}

std::unique_ptr<MadeSource> EmptyScene() {
    auto source = std::make_unique<MadeSource>();
    reader::Process& process = source->process();
    process.pid = 4242;
    process.name = "naive_game";
    process.layer_version = "0.1.0";
    process.state = reader::ProcessState::kLive;
    process.created_ns = uint64_t{1'795'000'000} * kSecond;
    process.monotonic_created_ns = kStart;
    process.copied_ns = kStart + 20 * kSecond;
    process.level = TESSERA_LEVEL_events;
    process.devices.push_back(EmptyDevice());
    return source;
}

reader::Allocation& AddAllocation(reader::Device& device, uint32_t block, uint64_t offset,
                                  uint64_t size_bytes) {
    reader::Allocation allocation;
    allocation.memory = 0x100000 + device.detail.allocations.size();
    allocation.size_bytes = size_bytes;
    allocation.offset = offset;
    allocation.block = block;
    allocation.made_ns = kStart;
    const bool pooled = block < device.detail.blocks.size();
    allocation.type = pooled ? device.detail.blocks[block].type : 0;
    tessera_type_totals& totals = device.memory_types[allocation.type].totals;
    ++totals.app.live;
    ++totals.app.allocations;
    totals.app.live_bytes += size_bytes;
    totals.app.peak_bytes = std::max(totals.app.peak_bytes, totals.app.live_bytes);
    if (pooled) {
        ++totals.pooled.live;
        ++totals.pooled.allocations;
        totals.pooled.live_bytes += size_bytes;
        totals.pooled.free_bytes -= std::min(totals.pooled.free_bytes, size_bytes);
    } else {
        allocation.reason = TESSERA_REASON_dedicated;
        tessera_pass_through& passed = totals.pass_through[TESSERA_REASON_dedicated];
        ++passed.live;
        ++passed.allocations;
        passed.live_bytes += size_bytes;
        ++totals.driver.live;
        ++totals.driver.allocations;
        totals.driver.live_bytes += size_bytes;
    }
    device.detail.allocations.push_back(allocation);
    return device.detail.allocations.back();
}

std::unique_ptr<MadeSource> GameScene() {
    auto source = EmptyScene();
    Numbers numbers;
    reader::Process& process = source->process();
    process.threads = {{.tid = 4243, .name = "render"},
                       {.tid = 4250, .name = "loader"},
                       {.tid = 4251, .name = ""}};
    process.modules = {
        {.start = 0x400000, .end = 0x500000, .bias = 0, .build_id = {}, .path = "/opt/game/game"},
        {.start = 0x7f0000000000,
         .end = 0x7f0000100000,
         .bias = 0x7f0000000000,
         .build_id = {},
         .path = "/opt/game/libengine.so"}};
    process.stacks = {{.addresses = {0x7f0000001234, 0x7f0000002340, 0x401230}},
                      {.addresses = {0x7f0000005678, 0x401888}},
                      {.addresses = {0x402000}},
                      {.addresses = {0x7f0000009abc, 0x7f0000002340, 0x401230}}};
    reader::Device& device = process.devices[0];
    device.frames = 1'200;
    for (int i = 0; i < 9; ++i) {
        AddBlock(device, 0, (i % 3 == 2 ? 128 : 64) * kMiB, TESSERA_BLOCK_OPTIMAL);
        FillBlock(device, numbers, true);
    }
    for (int i = 0; i < 4; ++i) {
        AddBlock(device, 1, 32 * kMiB, TESSERA_BLOCK_LINEAR);
        FillBlock(device, numbers, false);
    }
    for (int i = 0; i < 20; ++i) {
        AddAllocation(device, reader::kNone, 0, 8 * kMiB);
        Bind(device, i == 0 ? "swap target" : "", VK_OBJECT_TYPE_IMAGE,
             VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT, 1920, VK_FORMAT_B8G8R8A8_SRGB);
    }
    device.memory_types[1].totals.app.allocations += 3'600;
    device.memory_types[1].totals.app.frees += 3'600;
    device.memory_types[1].totals.pooled.allocations += 3'600;
    Time(device.calls[TESSERA_CALL_vkAllocateMemory], 3'600, 260'000);
    Time(device.calls[TESSERA_CALL_vkAllocateMemory], 900, 3'100);
    Time(device.calls[TESSERA_CALL_vkFreeMemory], 3'600, 90'000);
    Time(device.calls[TESSERA_CALL_vkMapMemory], 400, 240);
    Time(device.calls[TESSERA_CALL_vkBindBufferMemory], 700, 520);
    Time(device.calls[TESSERA_CALL_vkBindImageMemory], 300, 1'900);
    Time(device.driver_calls[TESSERA_CALL_vkAllocateMemory], 32, 182'000);
    Time(device.driver_calls[TESSERA_CALL_vkAllocateMemory], 1, 6'200'000);
    Time(device.driver_calls[TESSERA_CALL_vkFreeMemory], 3, 120'000);
    Time(device.driver_calls[TESSERA_CALL_vkBindImageMemory], 300, 900);
    device.misuse[TESSERA_MISUSE_map_twice] = 2;
    PlayFrames(*source, numbers);
    return source;
}

std::unique_ptr<MadeSource> HostileScene() {
    auto source = GameScene();
    const std::string attack =
        "</script><img src=x onerror=\"window.attacked=true\"><!--<script>window.attacked=true"
        "</script>\xe2\x80\xa8\xe2\x80\xae\x1b[2J\xff&lt;b&gt;'\"`${window.attacked=true}";
    reader::Process& process = source->process();
    process.name = attack;
    process.layer_version = attack;
    for (reader::Thread& thread : process.threads)
        thread.name = attack;
    for (reader::Module& module : process.modules)
        module.path = "/tmp/" + attack;
    for (reader::Device& device : process.devices) {
        device.name = attack;
        device.driver = attack;
        for (reader::Allocation& allocation : device.detail.allocations)
            allocation.name = attack;
        for (reader::Resource& resource : device.detail.resources)
            resource.name = attack;
    }
    source->set_remark(attack);
    source->recording = true;
    return source;
}

std::unique_ptr<MadeSource> LargeScene(size_t allocations, uint64_t events) {
    auto source = EmptyScene();
    Numbers numbers;
    reader::Device& device = source->process().devices[0];
    source->process().stacks.resize(1'000);
    for (size_t i = 0; i < source->process().stacks.size(); ++i)
        source->process().stacks[i].addresses = {0x400000 + i * 16, 0x500000};
    const size_t per_block = 500;
    for (size_t i = 0; i < allocations; ++i) {
        if (i % per_block == 0)
            AddBlock(device, static_cast<uint32_t>(i / per_block % 2), 64 * kMiB, 0);
        const uint64_t size = 256 + numbers.Below(64 * kMiB / per_block - 512);
        reader::Allocation& allocation =
            AddAllocation(device, static_cast<uint32_t>(device.detail.blocks.size() - 1),
                          i % per_block * (64 * kMiB / per_block), size);
        allocation.stack = static_cast<uint32_t>(numbers.Below(1'000));
        if (i % 2 == 0)
            Bind(device, "resource " + std::to_string(i), VK_OBJECT_TYPE_BUFFER,
                 VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    }
    constexpr uint64_t kBatch = 10'000;
    source->generate = [events](size_t batch) {
        std::vector<reader::Event> made;
        const uint64_t first = batch * kBatch;
        for (uint64_t i = first; i < std::min(events, first + kBatch); ++i) {
            const bool frees = i % 2 == 1;
            reader::Event event = MadeEvent(
                kStart + i * 2'000, frees ? TESSERA_EVENT_free : TESSERA_EVENT_allocate, 1 + i / 2,
                256 + (i / 2 * 7919) % 100'000 * 64, i % 64 < 2 ? Took(400) : uint16_t{0});
            event.stack = static_cast<uint16_t>(1 + i / 2 % 1'000);
            event.thread = static_cast<uint16_t>(1 + i / 2 % 4);
            made.push_back(event);
        }
        return made;
    };
    return source;
}

std::unique_ptr<MadeSource> SceneNamed(const std::string& name) {
    if (name == "game") return GameScene();
    if (name == "hostile") return HostileScene();
    if (name == "empty") return EmptyScene();
    if (name == "large") return LargeScene(100'000, 1'000'000);
    if (name == "huge") return LargeScene(100'000, 10'000'000);
    return nullptr;
}

}  // namespace tessera::test
