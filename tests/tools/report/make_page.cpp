// SPDX-License-Identifier: Apache-2.0
//
// Writes the report's page of a made-up scene, for the browser test.
// usage: report_make_page SCENE FILE
//
// Threads: one.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/tools/report/scenes.h"
#include "tools/report/model.h"
#include "tools/report/page.h"

int main(int argc, char** argv) {
    using namespace tessera;  // NOLINT: a program of one function
    if (argc != 3) return 2;
    if (!command::report::HasPage()) {
        fprintf(stderr, "this build has no report page\n");
        return 77;
    }
    const auto source = test::SceneNamed(argv[1]);
    if (source == nullptr) return 2;
    const auto start = std::chrono::steady_clock::now();
    std::string problem;
    const command::Json model = command::report::ModelOf(
        *source, "made-up.rec", command::report::ModuleFrames(source->process()), &problem);
    const std::string page = command::report::Page(model, command::report::RandomNonce());
    std::ofstream(argv[2], std::ios::binary) << page;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    fprintf(stderr, "%s: %zu bytes in %.1f s\n", argv[1], page.size(), took.count());
    return 0;
}
