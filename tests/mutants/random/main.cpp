// SPDX-License-Identifier: Apache-2.0
//
// random_programs --description D --seed S --operations N [--print]: runs one program of so many
// operations. Exit status 1 if the program saw what it should not, with the complaint and the seed.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "program.h"

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    std::string description = "preset:noncoherent";
    uint64_t seed = 1;
    uint64_t operations = 1000;
    bool print = false;
    for (int i = 1; i < argc; ++i) {
        const bool has_value = i + 1 < argc;
        if (std::strcmp(argv[i], "--print") == 0) {
            print = true;
        } else if (std::strcmp(argv[i], "--description") == 0 && has_value) {
            description = argv[++i];
        } else if (std::strcmp(argv[i], "--seed") == 0 && has_value) {
            seed = std::strtoull(argv[++i], nullptr, 0);
        } else if (std::strcmp(argv[i], "--operations") == 0 && has_value) {
            operations = std::strtoull(argv[++i], nullptr, 0);
        } else {
            std::fprintf(stderr, "unknown argument %s\n", argv[i]);
            return 2;
        }
    }
    char directory[] = "/tmp/tessera-random-program-XXXXXX";
    if (mkdtemp(directory) == nullptr) return 2;
    setenv("XDG_RUNTIME_DIR", directory, 1);
    setenv("XDG_DATA_HOME", directory, 1);
    std::string complaints;
    uint64_t done = 0;
    {
        tessera::test::Program program(description, seed);
        program.set_print(print);
        for (; done < operations && program.complaints().empty(); ++done)
            program.Step();
        if (program.complaints().empty()) program.Finish();
        complaints = program.complaints();
        // What went wrong may make the ordinary end impossible.
        if (!complaints.empty()) {
            std::fprintf(stderr, "%s, seed %llu, operation %llu:\n%s", description.c_str(),
                         static_cast<unsigned long long>(seed),
                         static_cast<unsigned long long>(done), complaints.c_str());
            std::fflush(nullptr);
            std::filesystem::remove_all(directory);
            std::_Exit(1);
        }
    }
    std::filesystem::remove_all(directory);
    return 0;
}
