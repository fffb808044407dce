// SPDX-License-Identifier: Apache-2.0
// The colour of an object's pixel, mixed from every resource that the object has: the frame from
// the first bytes of each, the inner square from the last.
#version 450

layout(push_constant) uniform Object {
    vec4 cell;
    uint palette_words;
    uint is_inner;
} object;

layout(set = 0, binding = 0) uniform Head { vec4 tint; vec4 mixing; } head;
layout(set = 0, binding = 1) uniform Tail { vec4 tint; vec4 mixing; } tail;
layout(set = 0, binding = 2) readonly buffer Palette { uint words[]; } palette;
layout(set = 0, binding = 3) uniform sampler2D picture;

layout(location = 0) in vec2 fragment_uv;
layout(location = 1) in vec3 fragment_shade;

layout(location = 0) out vec4 colour;

const uint kPaletteWords = 16;
const float kBandHeight = 0.12;
const float kExposure = 1.3;

// What a staging buffer wrote over the image's first (frame) or last (square) eight pixels.
vec3 Band() {
    ivec2 pixel = ivec2(fragment_uv.x * 7.99, 0);
    if (object.is_inner != 0) pixel = textureSize(picture, 0) - ivec2(1) - pixel;
    return texelFetch(picture, pixel, 0).rgb;
}

void main() {
    vec3 texel = texture(picture, fragment_uv).rgb;
    float light = dot(texel, vec3(0.30, 0.59, 0.11));
    uint first = object.is_inner != 0 ? object.palette_words - kPaletteWords : 0u;
    vec3 mapped = unpackUnorm4x8(palette.words[first + uint(light * 15.99)]).rgb;

    float along = fract(fragment_uv.x + 0.37 * fragment_uv.y);
    uint grains = object.palette_words - 2 * kPaletteWords;
    vec3 grain =
        unpackUnorm4x8(palette.words[kPaletteWords + uint(along * float(grains - 1u))]).rgb;

    vec4 tint = object.is_inner != 0 ? tail.tint : head.tint;
    float mixing = object.is_inner != 0 ? tail.mixing.x : head.mixing.x;
    vec3 mixed = mix(texel, mapped, mixing) * tint.rgb * fragment_shade;
    float edge = object.is_inner != 0 ? 1.0 - fragment_uv.y : fragment_uv.y;
    if (edge < kBandHeight) mixed = mix(mixed, Band(), 0.6);
    colour = vec4(mixed * kExposure + (grain - 0.5) * 0.06, 1.0);
}
