// SPDX-License-Identifier: Apache-2.0
//
// `tessera top` on a terminal: the command runs in a pseudo-terminal, what it writes goes through a
// terminal emulator (libvterm), and the test looks at the cells. The process that it shows is this
// one: its segment is made up.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vterm.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "base/process.h"
#include "channel/segment_name.h"
#include "segment_builder.h"
#include "support.h"

namespace tessera {
namespace {

// No healthy machine needs so long.
constexpr auto kPatience = std::chrono::seconds(60);

// A program on a terminal.
class Terminal {
 public:
    Terminal(int rows, int columns, const std::vector<std::string>& command,
             const std::map<std::string, std::string>& environment)
        : rows_(rows), columns_(columns), vterm_(vterm_new(rows, columns)) {
        vterm_set_utf8(vterm_, 1);
        screen_ = vterm_obtain_screen(vterm_);
        vterm_screen_enable_altscreen(screen_, 1);
        vterm_screen_reset(screen_, 1);
        const winsize size = Winsize();
        pid_ = forkpty(&master_, nullptr, nullptr, &size);
        if (pid_ != 0) return;
        for (const auto& [name, value] : environment)
            setenv(name.c_str(), value.c_str(), 1);
        std::vector<char*> arguments;
        for (const std::string& word : command)
            arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        execv(arguments[0], arguments.data());
        _exit(126);
    }
    ~Terminal() {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
        }
        close(master_);
        vterm_free(vterm_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void Type(const std::string& bytes) const {
        EXPECT_EQ(write(master_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
    void Resize(int rows, int columns) {
        rows_ = rows;
        columns_ = columns;
        vterm_set_size(vterm_, rows, columns);
        const winsize size = Winsize();
        EXPECT_EQ(ioctl(master_, TIOCSWINSZ, &size), 0);
    }
    void Signal(int signal_number) const { EXPECT_EQ(kill(pid_, signal_number), 0); }

    // Waits until the screen contains `text`. Returns: whether it does.
    bool Shows(const std::string& text) {
        const auto end = std::chrono::steady_clock::now() + kPatience;
        while (Text().find(text) == std::string::npos) {
            if (std::chrono::steady_clock::now() >= end || !Take()) break;
        }
        const bool shown = Text().find(text) != std::string::npos;
        EXPECT_TRUE(shown) << "'" << text << "' is not on\n" << Text();
        return shown;
    }

    // Waits for the end. Returns: the exit code, or 128 and the signal.
    int Wait() {
        while (Take()) {
        }
        int status = 0;
        EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    // What stands there, without spaces at ends of lines.
    std::string Text() const {
        std::string text;
        for (int row = 0; row < rows_; ++row) {
            std::string line;
            for (int column = 0; column < columns_; ++column) {
                const VTermScreenCell cell = Cell(row, column);
                for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i] != 0; ++i)
                    Append(line, cell.chars[i]);
                if (cell.chars[0] == 0) line += ' ';
            }
            line.erase(line.find_last_not_of(' ') + 1);
            text += line + '\n';
        }
        return text;
    }
    // Cells in another color than the terminal's own.
    int Colored() const {
        int count = 0;
        for (int row = 0; row < rows_; ++row) {
            for (int column = 0; column < columns_; ++column) {
                const VTermScreenCell cell = Cell(row, column);
                const bool is_plain =
                    VTERM_COLOR_IS_DEFAULT_FG(&cell.fg) && VTERM_COLOR_IS_DEFAULT_BG(&cell.bg);
                count += is_plain ? 0 : 1;
            }
        }
        return count;
    }
    const std::string& raw() const { return raw_; }

 private:
    winsize Winsize() const {
        return {.ws_row = static_cast<unsigned short>(rows_),
                .ws_col = static_cast<unsigned short>(columns_),
                .ws_xpixel = 0,
                .ws_ypixel = 0};
    }
    VTermScreenCell Cell(int row, int column) const {
        VTermScreenCell cell;
        vterm_screen_get_cell(screen_, {.row = row, .col = column}, &cell);
        return cell;
    }
    static void Append(std::string& text, uint32_t code) {
        if (code == ~uint32_t{0}) return;  // the second half of a wide sign
        if (code < 0x80) {
            text += static_cast<char>(code);
        } else if (code < 0x800) {
            text += static_cast<char>(0xc0 | code >> 6);
            text += static_cast<char>(0x80 | (code & 0x3f));
        } else {
            text += static_cast<char>(0xe0 | code >> 12);
            text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
            text += static_cast<char>(0x80 | (code & 0x3f));
        }
    }
    // Takes what was written, waiting for it a while. Returns: false if nobody will write more.
    bool Take() {
        pollfd file = {.fd = master_, .events = POLLIN, .revents = 0};
        if (poll(&file, 1, 100) == 0) return true;
        std::array<char, 4096> bytes;
        const ssize_t count = read(master_, bytes.data(), bytes.size());
        if (count <= 0) return false;
        raw_.append(bytes.data(), static_cast<size_t>(count));
        vterm_input_write(vterm_, bytes.data(), static_cast<size_t>(count));
        return true;
    }

    int rows_, columns_;
    VTerm* const vterm_;
    VTermScreen* screen_ = nullptr;
    int master_ = -1;
    pid_t pid_ = -1;
    std::string raw_;
};

class TopTerminalTest : public testing::Test {
 protected:
    // Leaves a segment of this process where the command looks for it.
    void Publish(const char* name = "made_up") const {
        test::SegmentBuilder builder = test::SampleSegment();
        builder.header.pid = static_cast<uint64_t>(getpid());
        builder.header.pid_start_time = ReadProcessStat(builder.header.pid)->start_time;
        test::SetText(builder.header.process, name);
        const std::vector<std::byte> bytes = builder.Build();
        std::array<char, channel::kMaxSegmentNameBytes> file;
        channel::FormatSegmentName({builder.header.pid, builder.header.pid_start_time}, file);
        std::filesystem::create_directory(folder_ / "tessera");
        test::WriteFile(folder_ / "tessera/" + file.data(),
                        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    std::map<std::string, std::string> Environment() const {
        return {{"XDG_RUNTIME_DIR", folder_.path()},
                {"TERM", "xterm-256color"},
                {"LC_ALL", "C.UTF-8"},
                {"NO_COLOR", ""}};
    }
    std::string Pid() const { return std::to_string(getpid()); }

    const test::TempFolder folder_;
};

constexpr char kDown[] = "\x1bOB";
constexpr char kRight[] = "\x1bOC";
constexpr char kEscape[] = "\x1b";

TEST_F(TopTerminalTest, TheListLeadsToAProcessAndItsTablesAt80x24) {
    Publish();
    Terminal terminal(24, 80, {TESSERA_COMMAND, "top", "--interval", "0.1"}, Environment());
    ASSERT_TRUE(terminal.Shows(Pid()));
    terminal.Type("/" + Pid());
    ASSERT_TRUE(terminal.Shows("filter: " + Pid()));
    terminal.Type("\r");
    ASSERT_TRUE(terminal.Shows("tessera top  1 process"));
    terminal.Type("\r");
    ASSERT_TRUE(terminal.Shows("made_up (pid " + Pid() + ")  live"));
    ASSERT_TRUE(terminal.Shows("heap 0 device [█"));
    ASSERT_TRUE(terminal.Shows("[types]"));
    terminal.Type(kRight);
    ASSERT_TRUE(terminal.Shows("[calls]"));
    terminal.Type(kRight);
    ASSERT_TRUE(terminal.Shows("[blocks]"));
    ASSERT_TRUE(terminal.Shows("░"));
    terminal.Type(kRight);
    ASSERT_TRUE(terminal.Shows("[allocations]"));
    terminal.Type("\r");
    ASSERT_TRUE(terminal.Shows("memory type"));
    terminal.Type(kEscape);
    terminal.Type(kRight);
    ASSERT_TRUE(terminal.Shows("[stacks]"));
    terminal.Type(kDown);
    terminal.Type("h");
    ASSERT_TRUE(terminal.Shows("tessera top: help"));
    terminal.Type("q");
    EXPECT_EQ(terminal.Wait(), 0);
    EXPECT_NE(terminal.raw().find("\x1b[?1049l"), std::string::npos) << "the screen is given back";
}

TEST_F(TopTerminalTest, FollowsTheSizeOfTheTerminal) {
    Publish();
    Terminal terminal(24, 80, {TESSERA_COMMAND, "top", Pid()}, Environment());
    ASSERT_TRUE(terminal.Shows("q quit"));
    terminal.Resize(60, 200);
    // There is room for the tables that were not chosen.
    ASSERT_TRUE(terminal.Shows("ALLOCATED BY"));
    terminal.Resize(10, 40);
    terminal.Type("p");
    ASSERT_TRUE(terminal.Shows("PAUSED"));
    terminal.Type("q");
    EXPECT_EQ(terminal.Wait(), 0);
}

TEST_F(TopTerminalTest, HasColorsUnlessTheyAreNotWanted) {
    Publish();
    for (const bool wanted : {true, false}) {
        auto environment = Environment();
        environment["NO_COLOR"] = wanted ? "" : "1";
        Terminal terminal(24, 80, {TESSERA_COMMAND, "top", Pid()}, environment);
        ASSERT_TRUE(terminal.Shows("q quit"));
        EXPECT_EQ(terminal.Colored() > 0, wanted);
        terminal.Type("q");
        EXPECT_EQ(terminal.Wait(), 0);
    }
}

TEST_F(TopTerminalTest, ALocaleWithoutUnicodeGetsAscii) {
    Publish();
    auto environment = Environment();
    environment["LC_ALL"] = "C";
    Terminal terminal(24, 80, {TESSERA_COMMAND, "top", Pid()}, environment);
    ASSERT_TRUE(terminal.Shows("heap 0 device [#"));
    for (const char c : terminal.Text())
        ASSERT_GE(c, 0) << "not ASCII";
    terminal.Type("q");
    EXPECT_EQ(terminal.Wait(), 0);
}

TEST_F(TopTerminalTest, ANameCannotDriveTheTerminal) {
    Publish("\x1b]0;gotcha\a\x1b[31m");
    Terminal terminal(24, 80, {TESSERA_COMMAND, "top", Pid()}, Environment());
    // The reader has taken the control bytes out already.
    ASSERT_TRUE(terminal.Shows("?]0;gotcha"));
    EXPECT_EQ(terminal.raw().find("\x1b]0;"), std::string::npos);
    terminal.Type("q");
    EXPECT_EQ(terminal.Wait(), 0);
}

TEST_F(TopTerminalTest, ASignalToEndLeavesTheTerminalAsItWas) {
    Publish();
    for (const int signal_number : {SIGTERM, SIGINT, SIGHUP}) {
        Terminal terminal(24, 80, {TESSERA_COMMAND, "top", Pid()}, Environment());
        ASSERT_TRUE(terminal.Shows("q quit"));
        terminal.Signal(signal_number);
        EXPECT_EQ(terminal.Wait(), 0);
        EXPECT_NE(terminal.raw().find("\x1b[?1049l"), std::string::npos);
    }
}

TEST_F(TopTerminalTest, ADumbTerminalGetsLines) {
    Publish();
    auto environment = Environment();
    environment["TERM"] = "dumb";
    Terminal terminal(24, 80, {TESSERA_COMMAND, "top", Pid(), "--count", "2", "--interval", "0.1"},
                      environment);
    EXPECT_EQ(terminal.Wait(), 0);
    EXPECT_NE(terminal.raw().find(Pid() + " made_up live: app 4 live"), std::string::npos)
        << terminal.raw();
    EXPECT_EQ(terminal.raw().find('\x1b'), std::string::npos);
}

TEST_F(TopTerminalTest, ATerminalOfAnUnknownKindGetsLines) {
    Publish();
    auto environment = Environment();
    environment["TERM"] = "no-such-terminal";
    Terminal terminal(24, 80, {TESSERA_COMMAND, "top", Pid(), "--count", "1"}, environment);
    EXPECT_EQ(terminal.Wait(), 0);
    EXPECT_NE(terminal.raw().find("made_up live"), std::string::npos) << terminal.raw();
}

TEST_F(TopTerminalTest, WithoutATerminalLinesAndJsonAreAsManyAsAskedFor) {
    Publish();
    test::ProgramOptions options;
    options.environment = Environment();
    const auto lines = test::RunProgram(
        {TESSERA_COMMAND, "top", Pid(), "--count", "3", "--interval", "0.05"}, options);
    EXPECT_EQ(lines.code, 0) << lines.err;
    EXPECT_EQ(std::count(lines.out.begin(), lines.out.end(), '\n'), 3) << lines.out;
    const auto json = test::RunProgram(
        {TESSERA_COMMAND, "top", "--json", "--count", "2", "--interval", "0.05"}, options);
    EXPECT_EQ(std::count(json.out.begin(), json.out.end(), '\n'), 2) << json.out;
    EXPECT_NE(json.out.find("\"per_second\":{\"allocations\":0.0"), std::string::npos) << json.out;
    EXPECT_EQ(test::RunProgram({TESSERA_COMMAND, "top", "4194305"}, options).code, 3);
    EXPECT_EQ(test::RunProgram({TESSERA_COMMAND, "top", "x"}, options).code, 2);
    EXPECT_EQ(test::RunProgram({TESSERA_COMMAND, "top", "--interval", "0"}, options).code, 2);
}

}  // namespace
}  // namespace tessera
