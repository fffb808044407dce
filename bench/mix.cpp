// SPDX-License-Identifier: Apache-2.0
//
// See mix.h.

#include "mix.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <stdexcept>
#include <utility>

namespace bench {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

uint64_t LogUniform(uint64_t least, uint64_t most, Random& random) {
    const double octaves = std::log2(static_cast<double>(most + 1) / static_cast<double>(least));
    const double size = static_cast<double>(least) * std::exp2(random.Unit() * octaves);
    return std::min(static_cast<uint64_t>(size), most);
}

uint64_t ExactSize(Mix mix, Random& random) {
    switch (mix) {
        case Mix::kLog:
            return LogUniform(256, 64 * kKiB, random);
        case Mix::kTiny:
            return LogUniform(3, kKiB, random);
        case Mix::kLarge:
            return LogUniform(4 * kMiB, 64 * kMiB, random);
        case Mix::kPage:
            return 4 * kKiB;
        case Mix::kLeast:
            return 256;
        case Mix::kNaive:
            break;
    }
    const double part = random.Unit();
    if (part < 0.78) return LogUniform(256, 64 * kKiB, random);
    if (part < 0.93) return LogUniform(64 * kKiB, kMiB, random);
    return LogUniform(kMiB, 8 * kMiB, random);
}

}  // namespace

uint64_t Random::Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

const char* NameOf(Mix mix) {
    switch (mix) {
        case Mix::kLog:
            return "log";
        case Mix::kTiny:
            return "tiny";
        case Mix::kLarge:
            return "large";
        case Mix::kPage:
            return "page";
        case Mix::kLeast:
            return "least";
        case Mix::kNaive:
            break;
    }
    return "naive";
}

uint32_t SizeOf(Mix mix, uint32_t unit, Random& random) {
    return static_cast<uint32_t>((ExactSize(mix, random) + unit - 1) / unit * unit);
}

Sequence Composer::Fill(uint32_t first, uint32_t count) {
    Sequence ops(count);
    for (uint32_t i = 0; i < count; ++i)
        ops[i] = {first + i, SizeOf(mix_, unit_, random_)};
    return ops;
}

Sequence Composer::Churn(uint32_t live, uint64_t pairs) {
    Sequence ops(pairs);
    for (Op& op : ops) {
        op.slot = static_cast<uint32_t>(random_.Below(live));
        op.bytes = SizeOf(mix_, unit_, random_);
    }
    return ops;
}

Sequence Composer::Drain(uint32_t first, uint32_t count) {
    Sequence ops(count);
    for (uint32_t i = 0; i < count; ++i)
        ops[i] = {first + i, 0};
    for (uint32_t i = count; i > 1; --i)
        std::swap(ops[i - 1], ops[random_.Below(i)]);
    return ops;
}

Recording ReadRecording(const std::string& path, uint32_t unit) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    Recording recording;
    std::vector<uint32_t> slot_of;  // by the number of the allocation
    std::set<uint32_t> unused;
    std::string line;
    while (std::getline(file, line)) {
        if (line.empty() || line[0] == '#') continue;
        const uint64_t number = std::stoull(line[0] == '-' ? line.substr(1) : line);
        if (line[0] == '-') {
            // So many allocations ago: small numbers for what lives shortly.
            if (number == 0 || number > slot_of.size())
                throw std::runtime_error(path + ": " + line);
            const uint32_t slot = slot_of[slot_of.size() - number];
            recording.ops.push_back({slot, 0});
            unused.insert(slot);
            continue;
        }
        if (number == 0 || number > UINT32_MAX - unit) throw std::runtime_error(path + ": " + line);
        if (unused.empty()) unused.insert(recording.slots++);
        slot_of.push_back(*unused.begin());
        unused.erase(unused.begin());
        recording.ops.push_back(
            {slot_of.back(), static_cast<uint32_t>((number + unit - 1) / unit * unit)});
        ++recording.allocations;
    }
    return recording;
}

}  // namespace bench
