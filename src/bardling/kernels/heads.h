// One head of a sequence: from rows of queries, keys and values side by side to a matrix of floats,
// normalised and turned by its places, and back.
//
// T is the type in which matrices are multiplied elsewhere; a null pointer stands for what is
// absent.
#pragma once
#include "tiles.h"

static const int64_t BLOCK = 32;     // rows, to a multiple of which zeros fill up
static const int64_t ROWS_AHEAD = 8;  // they lie too far apart for the processor to foresee them

// What is done to a head's rows: nothing to values, a norm and a turn to queries and keys.
struct Turn {
    const float *weight, *cos, *sin;
};

struct Heads {  // of one layer, in rows that hold queries, keys and values side by side
    int64_t batch, time, heads, kv_heads, channels;
    float eps, scale;
    const float *query_weight, *key_weight;  // of the norms of queries and keys [channel]
    const float *cos, *sin;                  // turning by place [time channel]

    int64_t stride() const { return (heads + 2 * kv_heads) * channels; }
    int64_t group() const { return heads / kv_heads; }
    Turn query_turn() const { return {query_weight, cos, sin}; }
    Turn key_turn() const { return {key_weight, cos, sin}; }
};

template <class T>
static float inverse_length(const Heads& h, const T* in) {
    float square = 0.0f;
    SUM(square) for (int64_t c = 0; c < h.channels; c++) square += get(in[c]) * get(in[c]);
    return inverse_root(square / float(h.channels) + h.eps);
}

// One head of one sequence as rows of floats, normalised and turned; zeros where rows or channels
// fill up a block.
template <class T>
static void load(const Heads& h, const T* x, int64_t stride, const Turn& turn, Rows y) {
    const int64_t half = h.channels / 2;
    for (int64_t t = 0; t < h.time; t++) {
        const T* __restrict in = x + t * stride;
        float* __restrict out = y.first + t * y.row;
        __builtin_prefetch(in + ROWS_AHEAD * stride);
        WIDE for (int64_t c = 0; c < h.channels; c++) out[c] = get(in[c]);
        std::fill(out + h.channels, out + y.row, 0.0f);
        if (turn.weight) {
            const float factor = inverse_length(h, in);
            WIDE for (int64_t c = 0; c < h.channels; c++) out[c] *= factor * turn.weight[c];
        }
        if (!turn.cos) continue;
        const float *co = turn.cos + t * h.channels, *si = turn.sin + t * h.channels;
        WIDE for (int64_t c = 0; c < half; c++) {
            const float a = out[c], b = out[c + half];
            out[c] = a * co[c] - b * si[c];
            out[c + half] = b * co[c + half] + a * si[c + half];
        }
    }
    std::fill(y.first + h.time * y.row, y.first + rounded_up(h.time, BLOCK) * y.row, 0.0f);
}

// The way back of `load` for the rows from `first` on: dx from the gradient g, which is used up.
// The gradient of the norm's weight is added to `dweight`.
template <class T>
static void unload(const Heads& h, int64_t first, int64_t last, Rows g, const T* x, T* dx,
                   const Turn& turn, float* dweight) {
    const int64_t half = h.channels / 2;
    for (int64_t t = first; t < last; t++) {
        const T* __restrict in = x + t * h.stride();
        T* __restrict out = dx + t * h.stride();
        float* __restrict d = g.first + (t - first) * g.row;
        if (turn.cos) {
            const float *co = turn.cos + t * h.channels, *si = turn.sin + t * h.channels;
            WIDE for (int64_t c = 0; c < half; c++) {
                const float a = d[c], b = d[c + half];
                d[c] = a * co[c] + b * si[c + half];
                d[c + half] = b * co[c + half] - a * si[c];
            }
        }
        if (turn.weight) {
            const float factor = inverse_length(h, in);
            float along = 0.0f;
            SUM(along) for (int64_t c = 0; c < h.channels; c++) {
                dweight[c] += d[c] * get(in[c]) * factor;
                d[c] *= turn.weight[c];
                along += d[c] * get(in[c]);
            }
            along *= factor * factor / float(h.channels);
            WIDE for (int64_t c = 0; c < h.channels; c++)
                d[c] = factor * (d[c] - get(in[c]) * along);
        }
        WIDE for (int64_t c = 0; c < h.channels; c++) put(out[c], d[c]);
    }
}
