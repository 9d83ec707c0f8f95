// What all kernels share: bfloat16, an exponential that vectorises, and the hash of dropout.
//
// Plain C++ that the compiler turns into the widest instructions the processor has. Numbers come
// in two types, float and bf16; sums are always made in float. Every loop over rows is cut among
// threads in the same way each time, so results do not change from run to run.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

struct bf16 {
    uint16_t bits;
};

static inline float get(float x) { return x; }
static inline float get(bf16 x) { return std::bit_cast<float>(uint32_t(x.bits) << 16); }
static inline void put(float& y, float x) { y = x; }
static inline void put(bf16& y, float x) {  // to the nearest, ties to even
    uint32_t u = std::bit_cast<uint32_t>(x);
    y.bits = uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

// e^x by x = n ln 2 + r and a polynomial in r (Cephes' expf), good to two units in the last place;
// F is a number or a vector of them.
template <class F>
static inline F exp_rest(F x, F n) {
    const F r = x - n * 0.693359375f + n * 2.12194440e-4f;
    F p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return p * r * r + r + 1.0f;
}
static inline float exp_(float x) {
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    const float n = std::nearbyint(x * 1.44269504f);
    return exp_rest(x, n) * std::bit_cast<float>((int32_t(n) + 127) << 23);
}

static inline float sigmoid(float x) { return 1.0f / (1.0f + exp_(-x)); }

// The normal distribution up to x, by Abramowitz and Stegun 7.1.26 for erf, good to 2e-7.
static inline float normal(float x) {
    const float z = std::fabs(x) * 0.70710678f, t = 1.0f / (1.0f + 0.3275911f * z);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const float half = 0.5f * p * t * exp_(-z * z);
    return x < 0.0f ? half : 1.0f - half;
}

// 1 / sqrt(x), and no number where x has overflowed: 1 / infinity would be a harmless-looking 0,
// and a run that has diverged would go on without a gradient.
static inline float inverse_root(float x) { return x < INFINITY ? 1.0f / std::sqrt(x) : NAN; }

// Room for a row that each thread keeps, since asking for memory costs as much as a short row.
static inline float* row_room(size_t n) {
    static thread_local std::vector<float> room;
    if (room.size() < n) room.resize(n);
    return room.data();
}

// The hash of model/dropout.py, bit for bit.
template <class W>  // a word or a vector of them
static inline W mix(W x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

// What is left of one row: 0 or the scale, by the hash of a channel's number.
struct RowDrop {
    uint32_t cell;
    int32_t least;
    float scale;

    float operator()(uint32_t channel) const {
        return int32_t(mix(cell ^ channel)) >= least ? scale : 0.0f;
    }
};

// One site's dropout: which elements of a row survive, and by how much they grow.
struct Drop {
    const int32_t* keys;  // one for each sequence; null where nothing is dropped
    int64_t positions;    // rows of a sequence
    int64_t site;
    int64_t threshold;
    float scale;

    bool on() const { return keys != nullptr; }
    RowDrop row(int64_t sequence, int64_t position) const {
        const uint32_t place = uint32_t((0x3c6ef372ull * uint64_t(site + 1)) % (1ull << 31));
        const uint32_t cell = mix(mix(uint32_t(keys[sequence]) + place) + uint32_t(position));
        return {cell, int32_t(threshold), scale};
    }
    RowDrop row(int64_t r) const { return row(r / positions, r % positions); }
};

// The hashes of channel numbers, which are the same in every row.
static inline std::vector<uint32_t> channel_hashes(const Drop& drop, int64_t n) {
    std::vector<uint32_t> table(drop.on() ? n : 0);
    for (size_t c = 0; c < table.size(); c++) table[c] = mix(uint32_t(c) ^ 0x5bd1e995u);
    return table;
}

#define ROWS _Pragma("omp parallel for num_threads(threads) schedule(static)")
#define WIDE _Pragma("omp simd")
#define SUM(...) _Pragma(_STRING(omp simd reduction(+ : __VA_ARGS__)))
#define TOP(x) _Pragma(_STRING(omp simd reduction(max : x)))
#define _STRING(x) #x
