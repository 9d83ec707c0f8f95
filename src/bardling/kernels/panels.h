// Products for texts that come and go: by panels of rows that lie side by side for each column, so
// nothing is summed across a vector, and a text's sums are added up in one order whatever is read
// beside it.
#pragma once
#include "matrix.h"

static const int64_t PANEL = 2 * LANES;

// One panel's share of y = W x + b for S sequences.
template <int S>
static void times_panel(const Matrix& m, const float* x, float* y, int64_t panel) {
    const int64_t n = m.columns, first = panel * PANEL, some = std::min(PANEL, m.rows - first);
    const float* w = m.panels + first * n;
    Lanes sums[S][2] = {};
    for (int64_t k = 0; k < n; k++) {
        const Lanes low = lanes(w + k * PANEL), high = lanes(w + k * PANEL + LANES);
        for (int64_t j = 0; j < S; j++) {
            sums[j][0] += low * x[j * n + k];
            sums[j][1] += high * x[j * n + k];
        }
    }
    for (int64_t j = 0; j < S; j++)
        for (int64_t i = 0; i < some; i++)
            y[j * m.rows + first + i] = finish(m, first + i, sums[j][i / LANES][i % LANES]);
}

// The same of some panels for all sequences, by eights, fours, twos and ones.
static void times_panels(const Matrix& m, const float* x, float* y, int64_t count, int64_t first,
                         int64_t last) {
    for (int64_t p = first; p < last; p++) {
        int64_t s = 0;
        for (; s + 8 <= count; s += 8) times_panel<8>(m, x + s * m.columns, y + s * m.rows, p);
        const float* in = x + s * m.columns;
        float* out = y + s * m.rows;
        if ((count - s) & 4) {
            times_panel<4>(m, in, out, p);
            in += 4 * m.columns, out += 4 * m.rows;
        }
        if ((count - s) & 2) {
            times_panel<2>(m, in, out, p);
            in += 2 * m.columns, out += 2 * m.rows;
        }
        if ((count - s) & 1) times_panel<1>(m, in, out, p);
    }
}
