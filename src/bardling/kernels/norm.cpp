// The residual stream: add what a sublayer changed, dropped out, and normalise the sum.
//
// T is the type in which matrices are multiplied; the stream, weights and sums are float. A null
// pointer stands for what is absent: a change, a bias, a gradient, dropout.
#include "common.h"

struct NormWork {
    int64_t rows, width, centred;  // centred: LayerNorm; else RMSNorm
    float eps;
};

// sum = x + dropout(change); y = norm(sum). Keeps mean and 1 / deviation of each row in `stats`.
template <class T>
static void add_norm_forward(const NormWork& n, const float* x, const T* change, const Drop& drop,
                             const float* weight, const float* bias, float* sum, T* y, float* stats,
                             int threads) {
    const auto table = channel_hashes(drop, n.width);
    const uint32_t* names = table.data();
    ROWS for (int64_t r = 0; r < n.rows; r++) {
        const float* in = x + r * n.width;
        const T* __restrict add = change + r * n.width;
        float* s = sum + r * n.width;
        T* __restrict out = y + r * n.width;
        if (change && drop.on()) {
            const RowDrop left = drop.row(r);
            WIDE for (int64_t c = 0; c < n.width; c++)
                s[c] = in[c] + get(add[c]) * left(names[c]);
        } else if (change) {
            WIDE for (int64_t c = 0; c < n.width; c++) s[c] = in[c] + get(add[c]);
        } else if (s != in) {
            WIDE for (int64_t c = 0; c < n.width; c++) s[c] = in[c];
        }
        float mean = 0.0f, square = 0.0f;
        if (n.centred) {
            SUM(mean) for (int64_t c = 0; c < n.width; c++) mean += s[c];
            mean /= float(n.width);
        }
        SUM(square) for (int64_t c = 0; c < n.width; c++) square += (s[c] - mean) * (s[c] - mean);
        const float rstd = inverse_root(square / float(n.width) + n.eps);
        stats[2 * r] = mean, stats[2 * r + 1] = rstd;
        if (bias)
            WIDE for (int64_t c = 0; c < n.width; c++)
                put(out[c], (s[c] - mean) * rstd * weight[c] + bias[c]);
        else
            WIDE for (int64_t c = 0; c < n.width; c++)
                put(out[c], (s[c] - mean) * rstd * weight[c]);
    }
}

// dx = dsum + what comes back through the norm; dchange = dropout of that. `parts` holds room for
// the weight's and the bias' gradient of each thread, which the caller adds up.
template <class T>
static void add_norm_backward(const NormWork& n, const float* dsum, const T* dy, const float* sum,
                              const float* stats, const float* weight, const Drop& drop, float* dx,
                              T* dchange, float* parts, int threads) {
    const auto table = channel_hashes(drop, n.width);
    const uint32_t* names = table.data();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int t = 0; t < threads; t++) {
        float *dweight = parts + 2 * t * n.width, *dbias = dweight + n.width;
        for (int64_t r = n.rows * t / threads; r < n.rows * (t + 1) / threads; r++) {
            const float *s = sum + r * n.width, mean = stats[2 * r], rstd = stats[2 * r + 1];
            const T* d = dy + r * n.width;
            float* __restrict out = dx + r * n.width;
            T* __restrict left_over = dchange + r * n.width;
            float along = 0.0f, level = 0.0f;
            SUM(along, level) for (int64_t c = 0; c < n.width; c++) {
                const float normed = (s[c] - mean) * rstd, g = get(d[c]) * weight[c];
                along += g * normed;
                level += g;
                dweight[c] += get(d[c]) * normed;
                dbias[c] += get(d[c]);
            }
            along /= float(n.width), level = n.centred ? level / float(n.width) : 0.0f;
            const float* before = dsum ? dsum + r * n.width : nullptr;
            WIDE for (int64_t c = 0; c < n.width; c++) {
                const float normed = (s[c] - mean) * rstd, g = get(d[c]) * weight[c];
                out[c] = rstd * (g - level - normed * along) + (before ? before[c] : 0.0f);
            }
            if (dchange && drop.on()) {
                const RowDrop left = drop.row(r);
                WIDE for (int64_t c = 0; c < n.width; c++)
                    put(left_over[c], out[c] * left(names[c]));
            } else if (dchange) {
                WIDE for (int64_t c = 0; c < n.width; c++) put(left_over[c], out[c]);
            }
        }
    }
}


#define EXPORT(T, NAME)                                                                            \
    extern "C" void add_norm_forward_##NAME(                                                       \
        const NormWork* n, const float* x, const T* change, const Drop* drop, const float* weight, \
        const float* bias, float* sum, T* y, float* stats, int threads) {                          \
        add_norm_forward(*n, x, change, *drop, weight, bias, sum, y, stats, threads);              \
    }                                                                                              \
    extern "C" void add_norm_backward_##NAME(                                                      \
        const NormWork* n, const float* dsum, const T* dy, const float* sum, const float* stats,   \
        const float* weight, const Drop* drop, float* dx, T* dchange, float* parts, int threads) { \
        add_norm_backward(*n, dsum, dy, sum, stats, weight, *drop, dx, dchange, parts, threads);   \
    }
EXPORT(float, fp32)
EXPORT(bf16, bf16)
