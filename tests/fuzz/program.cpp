// SPDX-License-Identifier: Apache-2.0
//
// See program.h.
#include "program.h"

#include <array>
#include <istream>
#include <sstream>

namespace tessera::fuzz {
namespace {

struct KindInfo {
    const char* name;
    uint32_t weight;  // of what Generate() makes
};

// So weighted that each kind is at least one in fifty of what really happens: some operations find
// nothing to work on.
constexpr std::array<KindInfo, kKinds> kInfo = {
    {{"allocate", 10}, {"free", 9},  {"map", 8},        {"unmap", 5},         {"write", 7},
     {"read", 6},      {"flush", 5}, {"invalidate", 5}, {"create_buffer", 9}, {"create_image", 5},
     {"destroy", 9},   {"query", 5}, {"bind", 9},       {"bind_many", 5},     {"sparse", 6},
     {"update", 6},    {"copy", 13}, {"inspect", 5},    {"private_data", 5},  {"name", 4},
     {"hint", 4}}};

constexpr uint32_t TotalWeight() {
    uint32_t total = 0;
    for (const KindInfo& info : kInfo)
        total += info.weight;
    return total;
}

Kind KindAt(uint32_t weight) {
    for (size_t kind = 0; kind < kKinds; ++kind) {
        if (weight < kInfo[kind].weight) return static_cast<Kind>(kind);
        weight -= kInfo[kind].weight;
    }
    return Kind::kAllocate;
}

}  // namespace

const char* NameOf(Kind kind) {
    return kInfo[static_cast<size_t>(kind)].name;
}

uint64_t Random::Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

Program Generate(uint64_t seed, size_t count) {
    Random random(seed);
    Program program(count);
    for (Op& op : program) {
        op.kind = KindAt(static_cast<uint32_t>(random.Next() % TotalWeight()));
        const uint64_t operands = random.Next();
        op.a = static_cast<uint16_t>(operands);
        op.b = static_cast<uint16_t>(operands >> 16);
        op.c = static_cast<uint16_t>(operands >> 32);
        op.d = static_cast<uint16_t>(operands >> 48);
    }
    return program;
}

Program Decode(const uint8_t* data, size_t size) {
    constexpr size_t kBytes = 9;
    Program program(size / kBytes);
    for (Op& op : program) {
        const auto pair = [&data](size_t i) {
            return static_cast<uint16_t>(data[i] | data[i + 1] << 8);
        };
        op = {static_cast<Kind>(data[0] % kKinds), pair(1), pair(3), pair(5), pair(7)};
        data += kBytes;
    }
    return program;
}

std::string Print(const Program& program) {
    std::ostringstream text;
    for (const Op& op : program)
        text << NameOf(op.kind) << ' ' << op.a << ' ' << op.b << ' ' << op.c << ' ' << op.d << '\n';
    return text.str();
}

std::optional<Program> Parse(std::istream& text, std::string* problem) {
    Program program;
    std::string line;
    for (size_t number = 1; std::getline(text, line); ++number) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        std::string name;
        Op op;
        bool known = false;
        if (words >> name >> op.a >> op.b >> op.c >> op.d) {
            for (size_t kind = 0; kind < kKinds; ++kind) {
                if (name != kInfo[kind].name) continue;
                op.kind = static_cast<Kind>(kind);
                known = true;
            }
        }
        if (!known) {
            *problem = "line " + std::to_string(number) + " is no operation: " + line;
            return std::nullopt;
        }
        program.push_back(op);
    }
    return program;
}

}  // namespace tessera::fuzz
