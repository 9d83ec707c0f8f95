// Products of matrices that lie in a core's cache, such as those of one head.
//
// They are made in tiles of eight rows and two vectors of columns, whose sums stay in registers.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "lanes.h"

static const int64_t TALL = 8;

// A matrix by its first number and the steps from one row, and one column, to the next.
struct View {
    const float* first;
    int64_t row, column;
};

struct Rows {
    float* first;
    int64_t row;
};

static View view(Rows r, int64_t first = 0) { return {r.first + first * r.row, r.row, 1}; }
static View turned(Rows r) { return {r.first, 1, r.row}; }
static Rows from(Rows r, int64_t first) { return {r.first + first * r.row, r.row}; }

// Columns of a multiple of sixteen rows as rows.
static void transpose(Rows x, int64_t rows, int64_t columns, Rows to) {
    for (int64_t r = 0; r < rows; r += LANES)
        for (int64_t c = 0; c < columns; c++) {
            float* into = to.first + c * to.row;
            for (int64_t i = r; i < r + LANES; i++) into[i] = x.first[i * x.row + c];
        }
}

// Eight rows and N vectors of columns of c = a b, or of c += a b; `n` columns of a meet rows of b.
template <int N>
static inline void tile(View a, const float* b, int64_t b_row, int64_t n, Rows c, bool add) {
    Lanes sums[TALL][N] = {};
    if (add)
        for (int64_t i = 0; i < TALL; i++)
            for (int64_t j = 0; j < N; j++) sums[i][j] = lanes(c.first + i * c.row + j * LANES);
    for (int64_t k = 0; k < n; k++) {
        Lanes row[N];
        for (int64_t j = 0; j < N; j++) row[j] = lanes(b + k * b_row + j * LANES);
        for (int64_t i = 0; i < TALL; i++) {
            const float factor = a.first[i * a.row + k * a.column];
            for (int64_t j = 0; j < N; j++) sums[i][j] += factor * row[j];
        }
    }
    for (int64_t i = 0; i < TALL; i++)
        for (int64_t j = 0; j < N; j++)
            store(c.first + i * c.row + j * LANES, sums[i][j]);
}

// c = a b, or c += a b, for a multiple of eight rows and of sixteen columns.
static void product(View a, Rows b, Rows c, int64_t rows, int64_t columns, int64_t n,
                    bool add = false) {
    for (int64_t j = 0; j < columns; j += 2 * LANES)
        for (int64_t i = 0; i < rows; i += TALL) {
            const View part = {a.first + i * a.row, a.row, a.column};
            const Rows to = {c.first + i * c.row + j, c.row};
            if (columns - j > LANES)
                tile<2>(part, b.first + j, b.row, n, to, add);
            else
                tile<1>(part, b.first + j, b.row, n, to, add);
        }
}

// Memory of a thread, kept for its next piece of work and handed out in lines of the cache.
class Room {
public:
    explicit Room(int64_t floats) {
        static thread_local std::unique_ptr<float, decltype(&std::free)> kept{nullptr, std::free};
        static thread_local int64_t size = 0;
        if (size < floats) {
            kept.reset((float*)std::aligned_alloc(64, rounded_up(floats, LANES) * sizeof(float)));
            size = floats;
        }
        next = kept.get();
    }
    float* take(int64_t floats) {
        float* taken = next;
        next += rounded_up(floats, LANES);
        return taken;
    }

private:
    float* next;
};
