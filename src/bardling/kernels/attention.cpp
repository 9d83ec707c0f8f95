// Attention around its products: cutting heads, their norm and rotation, and the softmax.
//
// T is the type in which matrices are multiplied; a null pointer stands for what is absent.
#include <algorithm>

#include "common.h"

struct Shape {  // of the heads of one layer
    int64_t batch, time, heads, channels;
    int64_t stride;  // numbers from one token to the next where heads lie side by side
    float eps, scale;
};

// Cut rows of joined heads into heads [batch head time channel]; on the way RMS-normalise each
// (weight) and turn it by its place (cos, sin: [time channel]).
template <class T>
static void heads_forward(const Shape& h, const T* x, const float* weight, const float* cos,
                          const float* sin, T* y, float* rstds, int threads) {
    const int64_t half = h.channels / 2;
    ROWS for (int64_t r = 0; r < h.batch * h.time; r++) {
        const int64_t b = r / h.time, t = r % h.time;
        float v[1024];
        for (int64_t head = 0; head < h.heads; head++) {
            const T* __restrict in = x + r * h.stride + head * h.channels;
            T* __restrict out = y + ((b * h.heads + head) * h.time + t) * h.channels;
            WIDE for (int64_t c = 0; c < h.channels; c++) v[c] = get(in[c]);
            if (weight) {
                float square = 0.0f;
                SUM(square) for (int64_t c = 0; c < h.channels; c++) square += v[c] * v[c];
                const float rstd = inverse_root(square / float(h.channels) + h.eps);
                rstds[r * h.heads + head] = rstd;
                WIDE for (int64_t c = 0; c < h.channels; c++) v[c] *= rstd * weight[c];
            }
            if (cos) {
                const float *co = cos + t * h.channels, *si = sin + t * h.channels;
                WIDE for (int64_t c = 0; c < half; c++) {
                    put(out[c], v[c] * co[c] - v[c + half] * si[c]);
                    put(out[c + half], v[c + half] * co[c + half] + v[c] * si[c + half]);
                }
            } else {
                WIDE for (int64_t c = 0; c < h.channels; c++) put(out[c], v[c]);
            }
        }
    }
}

// The way back of heads_forward; `parts` as in add_norm_backward, one row of channels a thread.
template <class T>
static void heads_backward(const Shape& h, const T* dy, const T* x, const float* weight,
                           const float* cos, const float* sin, const float* rstds, T* dx,
                           float* parts, int threads) {
    const int64_t half = h.channels / 2, rows = h.batch * h.time;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int part = 0; part < threads; part++) {
        float g[1024], *dweight = parts + part * h.channels;
        for (int64_t r = rows * part / threads; r < rows * (part + 1) / threads; r++) {
            const int64_t b = r / h.time, t = r % h.time;
            for (int64_t head = 0; head < h.heads; head++) {
                const T* __restrict d = dy + ((b * h.heads + head) * h.time + t) * h.channels;
                const T* __restrict in = x + r * h.stride + head * h.channels;
                T* __restrict out = dx + r * h.stride + head * h.channels;
                if (cos) {
                    const float *co = cos + t * h.channels, *si = sin + t * h.channels;
                    WIDE for (int64_t c = 0; c < half; c++) {
                        g[c] = get(d[c]) * co[c] + get(d[c + half]) * si[c + half];
                        g[c + half] = get(d[c + half]) * co[c + half] - get(d[c]) * si[c];
                    }
                } else {
                    WIDE for (int64_t c = 0; c < h.channels; c++) g[c] = get(d[c]);
                }
                if (weight) {
                    const float rstd = rstds[r * h.heads + head];
                    float along = 0.0f;
                    SUM(along) for (int64_t c = 0; c < h.channels; c++) {
                        dweight[c] += g[c] * get(in[c]) * rstd;
                        g[c] *= weight[c];
                        along += g[c] * get(in[c]);
                    }
                    along *= rstd * rstd / float(h.channels);
                    WIDE for (int64_t c = 0; c < h.channels; c++)
                        put(out[c], rstd * (g[c] - get(in[c]) * along));
                } else {
                    WIDE for (int64_t c = 0; c < h.channels; c++) put(out[c], g[c]);
                }
            }
        }
    }
}

// Rows of scores become weights in place: softmax(scale * score) over the keys up to the query.
// Where weights are dropped, `dropped` takes those that are left.
template <class T>
static void softmax_forward(const Shape& h, const Drop& drop, T* scores, T* dropped, int threads) {
    const auto table = channel_hashes(drop, h.heads * h.time);
    ROWS for (int64_t r = 0; r < h.batch * h.heads * h.time; r++) {
        const int64_t query = r % h.time, head = r / h.time % h.heads;
        T* __restrict s = scores + r * h.time;
        float* e = row_room(h.time);
        float top = -INFINITY, sum = 0.0f;
        TOP(top) for (int64_t k = 0; k <= query; k++) {
            e[k] = get(s[k]) * h.scale;
            top = e[k] > top ? e[k] : top;
        }
        SUM(sum) for (int64_t k = 0; k <= query; k++) sum += e[k] = exp_(e[k] - top);
        const float share = 1.0f / sum;
        WIDE for (int64_t k = 0; k <= query; k++) put(s[k], e[k] * share);
        std::fill(s + query + 1, s + h.time, T{});
        if (!drop.on()) continue;
        const RowDrop left = drop.row(r / h.time / h.heads, query);
        const uint32_t* names = &table[head * h.time];
        T* __restrict out = dropped + r * h.time;
        WIDE for (int64_t k = 0; k <= query; k++) put(out[k], get(s[k]) * left(names[k]));
        std::fill(out + query + 1, out + h.time, T{});
    }
}

// Gradients of (dropped) weights become gradients of scores in place. `dropped` is filled again.
template <class T>
static void softmax_backward(const Shape& h, const Drop& drop, const T* weights, T* gradient,
                             T* dropped, int threads) {
    const auto table = channel_hashes(drop, h.heads * h.time);
    ROWS for (int64_t r = 0; r < h.batch * h.heads * h.time; r++) {
        const int64_t query = r % h.time, head = r / h.time % h.heads;
        const T* __restrict w = weights + r * h.time;
        T* __restrict g = gradient + r * h.time;
        if (drop.on()) {
            const RowDrop left = drop.row(r / h.time / h.heads, query);
            const uint32_t* names = &table[head * h.time];
            T* __restrict out = dropped + r * h.time;
            WIDE for (int64_t k = 0; k <= query; k++) {
                const float factor = left(names[k]);
                put(g[k], get(g[k]) * factor);
                put(out[k], get(w[k]) * factor);
            }
            std::fill(out + query + 1, out + h.time, T{});
        }
        float along = 0.0f;
        SUM(along) for (int64_t k = 0; k <= query; k++) along += get(w[k]) * get(g[k]);
        WIDE for (int64_t k = 0; k <= query; k++)
            put(g[k], get(w[k]) * (get(g[k]) - along) * h.scale);
        std::fill(g + query + 1, g + h.time, T{});
    }
}

#define EXPORT(T, NAME)                                                                            \
    extern "C" void heads_forward_##NAME(const Shape* h, const T* x, const float* weight,          \
                                         const float* cos, const float* sin, T* y, float* rstds,   \
                                         int threads) {                                            \
        heads_forward(*h, x, weight, cos, sin, y, rstds, threads);                                 \
    }                                                                                              \
    extern "C" void heads_backward_##NAME(const Shape* h, const T* dy, const T* x,                 \
                                          const float* weight, const float* cos, const float* sin, \
                                          const float* rstds, T* dx, float* parts, int threads) {  \
        heads_backward(*h, dy, x, weight, cos, sin, rstds, dx, parts, threads);                    \
    }                                                                                              \
    extern "C" void softmax_forward_##NAME(const Shape* h, const Drop* drop, T* scores,            \
                                           T* dropped, int threads) {                              \
        softmax_forward(*h, *drop, scores, dropped, threads);                                      \
    }                                                                                              \
    extern "C" void softmax_backward_##NAME(const Shape* h, const Drop* drop, const T* weights,    \
                                            T* gradient, T* dropped, int threads) {                \
        softmax_backward(*h, *drop, weights, gradient, dropped, threads);                          \
    }
EXPORT(float, fp32)
EXPORT(bf16, bf16)
