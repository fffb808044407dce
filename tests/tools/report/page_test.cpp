// SPDX-License-Identifier: Apache-2.0
//
// The page as text, and the command around it. What a browser makes of it: page_test.py.
#include "tools/report/page.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/tools/report/scenes.h"
#include "tests/tools/support.h"
#include "tools/report/model.h"

namespace tessera::command::report {
namespace {

using test::ReadFile;
using test::TempFolder;

TEST(EmbeddedJson, HoldsNothingThatEndsAScript) {
    const Json model = {{"</script><!--<script>&", "\xe2\x80\xa8\xe2\x80\xa9</SCRIPT>\xff"}};
    const std::string text = EmbeddedJson(model);
    for (const char* const evil : {"<", ">", "&", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xff"})
        EXPECT_EQ(text.find(evil), std::string::npos) << evil;
    // And it says the same.
    const Json back = Json::parse(text);
    EXPECT_EQ(back.begin().key(), "</script><!--<script>&");
    EXPECT_EQ(back.begin().value(), "\xe2\x80\xa8\xe2\x80\xa9</SCRIPT>\xef\xbf\xbd");
}

TEST(Page, IsTheTemplateWithEachPlaceFilledOnce) {
    if (!HasPage()) GTEST_SKIP() << "built without Chart.js";
    const auto source = test::EmptyScene();
    source->process().name = "@SCRIPT@ @NONCE@ @MODEL@";
    std::string problem;
    const Json model = ModelOf(*source, "x", ModuleFrames(source->process()), &problem);
    const std::string page = Page(model, "abc123");
    EXPECT_NE(page.find("script-src 'nonce-abc123'"), std::string::npos);
    EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
    // What an application is called is not filled in.
    EXPECT_NE(page.find("@SCRIPT@ @NONCE@ @MODEL@"), std::string::npos);
    EXPECT_EQ(page.find("\nimport "), std::string::npos);
    EXPECT_EQ(page.find("\nexport "), std::string::npos);
    // Who wrote the library that is in it.
    EXPECT_NE(page.find("Released under the MIT License"), std::string::npos);
}

TEST(Page, HasANonceOfItsOwnEachTime) {
    EXPECT_EQ(RandomNonce().size(), 32u);
    EXPECT_NE(RandomNonce(), RandomNonce());
}

test::Outcome Tessera(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), TESSERA_COMMAND);
    return test::Program(arguments).Wait();
}

TEST(ReportCommand, SaysWhatIsMissingOnItsCommandLine) {
    const test::Outcome nothing = Tessera({"report"});
    EXPECT_EQ(nothing.code, 2);
    EXPECT_NE(nothing.err.find("tessera report FILE|PID -o"), std::string::npos);
    EXPECT_EQ(Tessera({"report", "1"}).code, 2);
}

TEST(ReportCommand, SaysThatThereIsNoSuchFile) {
    const test::Outcome outcome = Tessera({"report", "./no/such\x1b/file", "--json"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_TRUE(outcome.err.starts_with("tessera: ")) << outcome.err;
    EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
    EXPECT_EQ(outcome.out, "");
}

TEST(ReportCommand, RefusesAFileThatIsNeitherSegmentNorRecording) {
    const TempFolder folder;
    test::WriteFile(folder / "text", "this is no recording, and long enough to be looked at\n");
    const test::Outcome outcome = Tessera({"report", folder / "text", "-o", folder / "out.html"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.err, "");
    EXPECT_NE(access((folder / "out.html").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace tessera::command::report
