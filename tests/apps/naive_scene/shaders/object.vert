// SPDX-License-Identifier: Apache-2.0
// One quad of an object: its vertices are placed within the object's tile.
#version 450

layout(push_constant) uniform Object {
    vec4 cell;
    uint palette_words;
    uint is_inner;
} object;

layout(location = 0) in vec2 position;
layout(location = 1) in vec2 uv;
layout(location = 2) in vec3 shade;

layout(location = 0) out vec2 fragment_uv;
layout(location = 1) out vec3 fragment_shade;

void main() {
    fragment_uv = uv;
    fragment_shade = shade;
    gl_Position = vec4(object.cell.xy + position * object.cell.zw, 0.0, 1.0);
}
