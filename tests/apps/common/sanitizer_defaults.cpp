// SPDX-License-Identifier: Apache-2.0
//
// What the sanitizers are told before a test application starts; part of each program, empty in
// builds without them.
//
// Drivers leave a few allocations behind at exit, and some of the programs die, fork or leave
// everything behind on purpose. The sanitizers must let them: they are here for wrong accesses and
// races.
#if defined(__SANITIZE_ADDRESS__)
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
    return "handle_segv=0:detect_leaks=0";
}
#elif defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
    return "handle_segv=0:die_after_fork=0";
}
// lavapipe and its compiler are not instrumented: what they synchronize looks like races.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:libvulkan_lvp\nrace:libLLVM\n";
}
#endif
