// A matrix in the form it is stored in, and its numbers as floats.
#pragma once
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "lanes.h"

typedef int8_t Bytes __attribute__((vector_size(16), aligned(1), may_alias));

enum Form { FLOAT, BF16, INT8 };

struct Matrix {
    const void* weights;  // [rows columns]
    const float *factors, *bias;
    const float* panels;  // the weights again, where many will be served: [rows/32 columns 32]
    int64_t rows, columns, form;
};

static inline float get(int8_t x) { return float(x); }
static inline Lanes lanes(const int8_t* p) {
#ifdef __AVX512F__  // the compiler would take the bytes one by one
    return (Lanes)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
#else
    return __builtin_convertvector(__builtin_convertvector(*(const Bytes*)p, Integers), Lanes);
#endif
}
static inline float finish(const Matrix& m, int64_t row, float sum) {
    return sum * (m.factors ? m.factors[row] : 1.0f) + (m.bias ? m.bias[row] : 0.0f);
}
