// SPDX-License-Identifier: Apache-2.0
//
// A program with more rights than its user: the layer is in the chain, passes everything through,
// reads no settings and leaves no trace.
//
// The loader ignores folders from the environment in such a process, so the layer is put where the
// system's layers lie, for the eyes of that process alone. The program is a copy that belongs to
// another user and has the set-user-id bit; what it may read and write lies open to that user.
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

#include "system_fixture.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kOtherUser = 65534;
constexpr char kPassedThrough[] = "64 of 64 handles are addresses\n";
constexpr char kPooled[] = "0 of 64 handles are addresses\n";

class Elevated : public SystemTest {
 protected:
    void SetUp() override {
        SystemTest::SetUp();
        if (IsSkipped()) return;
        if (geteuid() != 0) GTEST_SKIP() << "Only root can make a program of another user.";
        if (!PrivateMountsPermitted()) GTEST_SKIP() << "Private mounts are not permitted here.";
        struct statvfs file_system;
        ASSERT_EQ(statvfs(folder_.path().c_str(), &file_system), 0);
        if ((file_system.f_flag & ST_NOSUID) != 0)
            GTEST_SKIP() << folder_.path() << " is mounted nosuid; set TMPDIR to another folder.";
        system_folder_ = SystemLayerFolder();
        if (system_folder_.empty()) GTEST_SKIP() << "The system has no folder for layers.";
        MakeFiles();
    }

    // Runs a copy of vulkan_client, with the layer or without; both can be found in the system.
    Outcome Run(const std::string& program, bool with_layer) const {
        ProgramOptions options = bare();
        options.environment["XDG_RUNTIME_DIR"] = traces_ + "/runtime";
        options.environment["TESSERA_LOG_FILE"] = traces_ + "/log";
        options.environment["TESSERA_LOG_LEVEL"] = "debug";
        options.environment["TESSERA_MODE"] = "pool";
        options.environment["TESSERA_NO_SUCH_KEY"] = "1";
        options.environment["VK_LOADER_DEBUG"] = "layer";
        if (with_layer) options.environment["VK_INSTANCE_LAYERS"] = kLayerName;
        return RunProgram(
            WithPrivateMounts("mount --bind " + folder_ / "layers" + " " + system_folder_ +
                                  " && mount -t tmpfs -o mode=1777 none /dev/shm",
                              {program, "handles"}, "find /dev/shm ! -type d >> " + shared_list_),
            options);
    }

    static bool LayerWasThere(const Outcome& outcome) {
        for (const std::string& line : LinesWith(outcome.err, "nserted device layer")) {
            if (line.find(kLayerName) != std::string::npos) return true;
        }
        return false;
    }

    // The files that the program left, in the folders that it was offered and in shared memory.
    std::vector<std::string> Traces() const {
        std::vector<std::string> traces = Lines(ReadFile(shared_list_));
        for (const auto& entry : fs::recursive_directory_iterator(traces_)) {
            if (!entry.is_directory()) traces.push_back(entry.path());
        }
        return traces;
    }

    const std::string elevated_ = folder_ / "elevated";
    const std::string ordinary_ = folder_ / "ordinary";

 private:
    static std::string SystemLayerFolder() {
        for (const char* path :
             {"/etc/vulkan/explicit_layer.d", "/usr/share/vulkan/explicit_layer.d"}) {
            if (fs::is_directory(path)) return path;
        }
        return {};
    }

    void MakeFiles() const {
        fs::permissions(folder_.path(), fs::perms(0755));
        for (const std::string& program : {elevated_, ordinary_})
            fs::copy_file(TESSERA_VULKAN_CLIENT, program);
        ASSERT_EQ(chown(elevated_.c_str(), kOtherUser, kOtherUser), 0);
        fs::permissions(elevated_, fs::perms(04755));

        const std::string layers = folder_ / "layers";
        fs::create_directory(layers);
        const std::string library = "libVkLayer_tessera_suballocator.so";
        const std::string manifest = "VkLayer_tessera_suballocator.json";
        fs::copy_file(TESSERA_LAYER_FOLDER "/" + library, layers + "/" + library);
        Json json = Json::parse(ReadFile(TESSERA_LAYER_FOLDER "/" + manifest));
        json["layer"]["library_path"] = layers + "/" + library;
        WriteFile(layers + "/" + manifest, json.dump());
        for (const std::string& path : {layers, layers + "/" + library, layers + "/" + manifest})
            fs::permissions(path, fs::perms(0755));

        for (const std::string& path : {traces_, traces_ + "/runtime"}) {
            fs::create_directory(path);
            ASSERT_EQ(chown(path.c_str(), kOtherUser, kOtherUser), 0);
            fs::permissions(path, fs::perms(0700));
        }
    }

    std::string system_folder_;
    const std::string traces_ = folder_ / "traces";
    const std::string shared_list_ = folder_ / "shared";
};

TEST_F(Elevated, EverythingPassesThroughAndNothingIsLeftBehind) {
    const Outcome without = Run(elevated_, false);
    EXPECT_FALSE(LayerWasThere(without));
    EXPECT_EQ(without.out, kPassedThrough) << without.err;

    const Outcome with = Run(elevated_, true);
    EXPECT_TRUE(LayerWasThere(with)) << with.err;
    ExpectSame(with, without);
    EXPECT_EQ(LinesWith(with.err, "tessera[").size(), 0u) << with.err;
    EXPECT_EQ(Traces(), std::vector<std::string>());
}

TEST_F(Elevated, TheSameProgramWithoutMoreRightsIsPooledAndLeavesTraces) {
    const Outcome with = Run(ordinary_, true);
    EXPECT_TRUE(LayerWasThere(with)) << with.err;
    EXPECT_EQ(with.code, 0);
    EXPECT_EQ(with.out, kPooled) << with.err;
    EXPECT_GE(Traces().size(), 2u);
}

}  // namespace
}  // namespace tessera::test
