// Sixteen numbers at a time, by the compiler's vectors: whatever width the processor has.
#pragma once
#include <algorithm>
#include <array>

#include "common.h"

typedef float Lanes __attribute__((vector_size(64)));
typedef int32_t Integers __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t Names __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t Shorts __attribute__((vector_size(32), aligned(2), may_alias));
static const int64_t LANES = 16;
static const Integers COUNT = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static inline Lanes lanes(const float* p) { return *(const Floats*)p; }
static inline Lanes lanes(const bf16* p) {
    return (Lanes)(__builtin_convertvector(*(const Shorts*)p, Words) << 16);
}
static inline Words words(const uint32_t* p) { return *(const Names*)p; }
static inline void store(float* p, Lanes x) { *(Floats*)p = x; }
static inline Lanes all(float x) { return Lanes{} + x; }

static inline int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// The sum, and the largest, by halves.
typedef float Eight __attribute__((vector_size(32)));
typedef float Four __attribute__((vector_size(16)));
static inline float total(Lanes x) {
    const auto eight = std::bit_cast<std::array<Eight, 2>>(x);
    const auto four = std::bit_cast<std::array<Four, 2>>(eight[0] + eight[1]);
    const Four sum = four[0] + four[1];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
static inline float largest(Lanes x) {
    const auto eight = std::bit_cast<std::array<Eight, 2>>(x);
    const auto four = std::bit_cast<std::array<Four, 2>>(
        eight[0] > eight[1] ? eight[0] : eight[1]);
    const Four top = four[0] > four[1] ? four[0] : four[1];
    return std::max(std::max(top[0], top[1]), std::max(top[2], top[3]));
}

template <class T>
static inline float dot(const float* x, const T* y, int64_t n) {
    Lanes sums = {};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) sums += lanes(x + i) * lanes(y + i);
    float sum = total(sums);
    for (; i < n; i++) sum += x[i] * get(y[i]);
    return sum;
}

static inline Lanes exp_(Lanes x) {
    x = x < all(-87.0f) ? all(-87.0f) : x;
    x = x > all(88.0f) ? all(88.0f) : x;
    const Lanes shift = all(12582912.0f);  // beyond it floats have no fraction
    const Lanes n = (x * 1.44269504f + shift) - shift;
    const Integers power = (__builtin_convertvector(n, Integers) + 127) << 23;
    return exp_rest(x, n) * (Lanes)power;
}

// Sixteen numbers from key k on, and `other` in place of those that come after the query.
static inline Lanes up_to(int64_t query, int64_t k, Lanes x, float other) {
    return COUNT <= int32_t(query - k) ? x : all(other);
}

// One query's scores become weights over the keys up to it; what they were divided by, as a
// logarithm, is returned.
static float softmax(float* s, int64_t query, int64_t keys, float scale) {
    Lanes tops = all(-INFINITY), sums = {};
    for (int64_t k = 0; k < keys; k += LANES) {
        const Lanes next = up_to(query, k, lanes(s + k), -INFINITY);
        tops = next > tops ? next : tops;
    }
    const float top = largest(tops) * scale;
    for (int64_t k = 0; k < keys; k += LANES) {
        const Lanes e = up_to(query, k, exp_(lanes(s + k) * scale - top), 0.0f);
        store(s + k, e);
        sums += e;
    }
    const float sum = total(sums), share = 1.0f / sum;
    for (int64_t k = 0; k < keys; k += LANES) store(s + k, lanes(s + k) * share);
    return top + std::log(sum);
}
