// Products for decoding: matrices as they are stored, with one sequence or with many.
//
// A thread calls these inside a parallel region and does its share; EACH cuts a loop among the
// threads and waits for them, MEET only waits.
#pragma once
#include <omp.h>

#include "panels.h"

#define EACH(i, n) _Pragma("omp for schedule(static)") for (int64_t i = 0; i < (n); i++)
#define MEET _Pragma("omp barrier")

static const int64_t FOUR = 4, MANY = 12, ROWS_AT_ONCE = 8, LINE = 64, AHEAD_BYTES = 4096;

// y = W x + b for some rows of W and one sequence. Memory is what this waits for: one row after the
// other is how it reads ahead best, four sums at a time keep the units busy.
template <class W>
static void times_one(const Matrix& m, const float* x, float* y, int64_t first, int64_t last) {
    const int64_t n = m.columns;
    for (int64_t r = first; r < last; r++) {
        const W* w = (const W*)m.weights + r * n;
        Lanes a = {}, b = {}, c = {}, d = {};
        int64_t k = 0;
        for (; k + 4 * LANES <= n; k += 4 * LANES) {
            for (size_t byte = 0; byte < 4 * LANES * sizeof(W); byte += LINE)
                __builtin_prefetch((const char*)(w + k) + AHEAD_BYTES + byte);
            a += lanes(w + k) * lanes(x + k);
            b += lanes(w + k + LANES) * lanes(x + k + LANES);
            c += lanes(w + k + 2 * LANES) * lanes(x + k + 2 * LANES);
            d += lanes(w + k + 3 * LANES) * lanes(x + k + 3 * LANES);
        }
        float sum = total((a + b) + (c + d));
        for (; k < n; k++) sum += get(w[k]) * x[k];
        y[r] = finish(m, r, sum);
    }
}

// R rows of W for S sequences of which x has one row each: every weight is widened once for S.
template <class W, int R, int S>
static inline void times_tile(const Matrix& m, const float* x, float* y, int64_t r, bool ahead) {
    const int64_t n = m.columns;
    const W* w = (const W*)m.weights + r * n;
    Lanes sums[R][S] = {};
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES) {
        Lanes row[R];
        for (int64_t i = 0; i < R; i++) {
            row[i] = lanes(w + i * n + k);
            if (ahead) __builtin_prefetch(w + (R + i) * n + k);
        }
        for (int64_t j = 0; j < S; j++)
            for (int64_t i = 0; i < R; i++) sums[i][j] += row[i] * lanes(x + j * n + k);
    }
    for (int64_t j = 0; j < S; j++)
        for (int64_t i = 0; i < R; i++) {
            float sum = total(sums[i][j]);
            for (int64_t c = k; c < n; c++) sum += get(w[i * n + c]) * x[j * n + c];
            y[j * m.rows + r + i] = finish(m, r + i, sum);
        }
}

// The same for some rows of W and some sequences, by fours.
template <class W, int S>
static void times_rows(const Matrix& m, const float* x, float* y, int64_t r, int64_t rows,
                       bool ahead) {
    if (rows == FOUR) return times_tile<W, FOUR, S>(m, x, y, r, ahead);
    for (int64_t i = 0; i < rows; i++) times_tile<W, 1, S>(m, x, y, r + i, ahead);
}
template <class W>
static void times_some(const Matrix& m, const float* x, float* y, int64_t count, int64_t first,
                       int64_t last) {
    for (int64_t r = first; r < last; r += FOUR) {
        const int64_t rows = std::min(FOUR, last - r);
        for (int64_t s = 0; s < count; s += FOUR) {
            const float* in = x + s * m.columns;
            float* out = y + s * m.rows;
            switch (std::min(FOUR, count - s)) {
            case 4: times_rows<W, 4>(m, in, out, r, rows, s == 0); break;
            case 3: times_rows<W, 3>(m, in, out, r, rows, s == 0); break;
            case 2: times_rows<W, 2>(m, in, out, r, rows, s == 0); break;
            default: times_rows<W, 1>(m, in, out, r, rows, s == 0);
            }
        }
    }
}

// The same for many sequences: their numbers side by side in one vector, so nothing is summed
// across it and every weight is read once for sixteen of them. `turned` is x with sequences last.
static void times_turned(const Matrix& m, const Lanes* turned, float* y, int64_t count,
                         int64_t first, int64_t last) {
    const int64_t n = m.columns;
    for (int64_t s = 0; s < count; s += LANES, turned += n) {
        const int64_t many = std::min(LANES, count - s);
        for (int64_t r = first; r < last; r += ROWS_AT_ONCE) {
            const int64_t some = std::min(ROWS_AT_ONCE, last - r);
            const float* w[ROWS_AT_ONCE];
            for (int64_t i = 0; i < ROWS_AT_ONCE; i++)
                w[i] = (const float*)m.weights + (r + std::min(i, some - 1)) * n;
            const char* next = (const char*)(w[0] + ROWS_AT_ONCE * n);
            Lanes sums[ROWS_AT_ONCE] = {};
            for (int64_t k = 0; k < n; k++) {
                if (k % 2 == 0) __builtin_prefetch(next + k * LINE / 2);
                for (int64_t i = 0; i < ROWS_AT_ONCE; i++) sums[i] += w[i][k] * turned[k];
            }
            for (int64_t i = 0; i < some; i++)
                for (int64_t j = 0; j < many; j++)
                    y[(s + j) * m.rows + r + i] = finish(m, r + i, sums[i][j]);
        }
    }
}

// What products are taken of: one row of numbers for each sequence and, where they are many and W
// is stored as floats, the same turned. Those ways add up in orders of their own; `alike` takes one
// in which a sequence's sums are the same whatever its neighbours and their number.
struct Input {
    const float* x;
    const Lanes* turned;
    int64_t count;
    bool alike;
};

static Input prepare(Lanes* room, const float* x, const Matrix& m, int64_t count, bool alike) {
    if (count < MANY || m.form != FLOAT || alike) return {x, nullptr, count, alike};
    const int64_t groups = (count + LANES - 1) / LANES, columns = m.columns;
    EACH(place, groups * columns) {
        const int64_t first = place / columns * LANES, k = place % columns;
        float* into = (float*)(room + place);
        for (int64_t i = 0; i < LANES; i++)
            into[i] = first + i < count ? x[(first + i) * columns + k] : 0.0f;
    }
    return {x, room, count, alike};
}

template <class W>
static void share(const Matrix& m, const Input& in, float* y, int64_t first, int64_t last) {
    if (in.count == 1 && !in.alike)
        times_one<W>(m, in.x, y, first, last);
    else
        times_some<W>(m, in.x, y, in.count, first, last);
}

// This thread's share of y = W x + b.
static void times(const Matrix& m, const Input& in, float* y) {
    const int64_t t = omp_get_thread_num(), n = omp_get_num_threads();
    const int64_t first = m.rows * t / n, last = m.rows * (t + 1) / n;
    if (in.turned) return times_turned(m, in.turned, y, in.count, first, last);
    if (in.alike && m.panels) {
        const int64_t panels = (m.rows + PANEL - 1) / PANEL;
        return times_panels(m, in.x, y, in.count, panels * t / n, panels * (t + 1) / n);
    }
    if (m.form == FLOAT) share<float>(m, in, y, first, last);
    if (m.form == BF16) share<bf16>(m, in, y, first, last);
    if (m.form == INT8) share<int8_t>(m, in, y, first, last);
}
