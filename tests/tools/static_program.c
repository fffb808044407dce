/* SPDX-License-Identifier: Apache-2.0
 *
 * A statically linked program: one that cannot load the Vulkan loader. */
int main(void) {
    return 0;
}
