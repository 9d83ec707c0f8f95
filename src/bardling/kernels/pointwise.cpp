// What looks at one token alone: the bends of the feed-forward layer, and the loss of its logits.
//
// T is the type in which matrices are multiplied.
#include "common.h"

struct Grid {
    int64_t rows, width;
};

// y = silu(gate) * up, of rows that hold gate and up side by side.
template <class T>
static void swiglu_forward(const Grid& g, const T* x, T* y, int threads) {
    ROWS for (int64_t r = 0; r < g.rows; r++) {
        const T *gate = x + 2 * r * g.width, *up = gate + g.width;
        T* __restrict out = y + r * g.width;
        WIDE for (int64_t c = 0; c < g.width; c++)
            put(out[c], get(gate[c]) * sigmoid(get(gate[c])) * get(up[c]));
    }
}

// The way back of a bend makes y once more on its way, since that costs less than to keep it.
template <class T>
static void swiglu_backward(const Grid& g, const T* dy, const T* x, T* y, T* dx, int threads) {
    ROWS for (int64_t r = 0; r < g.rows; r++) {
        const T *gate = x + 2 * r * g.width, *up = gate + g.width, *d = dy + r * g.width;
        T* __restrict again = y + r * g.width;
        T* __restrict dgate = dx + 2 * r * g.width;
        T* __restrict dup = dgate + g.width;
        WIDE for (int64_t c = 0; c < g.width; c++) {
            const float v = get(gate[c]), s = sigmoid(v);
            put(again[c], v * s * get(up[c]));
            put(dup[c], get(d[c]) * v * s);
            put(dgate[c], get(d[c]) * get(up[c]) * s * (1.0f + v * (1.0f - s)));
        }
    }
}

// The other bends: each its value and its slope.
struct Bent {
    float value, slope;
};

struct Relu {
    static Bent at(float x) { return {x < 0.0f ? 0.0f : x, x > 0.0f ? 1.0f : 0.0f}; }
};

struct Gelu {  // x times the normal distribution up to x
    static Bent at(float x) {
        const float share = normal(x);
        return {x * share, share + 0.39894228f * x * exp_(-0.5f * x * x)};
    }
};

struct GeluSigmoid {
    static Bent at(float x) {
        const float s = sigmoid(1.702f * x);
        return {x * s, s + 1.702f * x * s * (1.0f - s)};
    }
};

struct GeluTanh {  // x * (1 + tanh u) / 2 = x * sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3)
    static Bent at(float x) {
        const float s = sigmoid(1.5957691216f * (x + 0.044715f * x * x * x));
        return {x * s, s + x * s * (1.0f - s) * 1.5957691216f * (1.0f + 0.134145f * x * x)};
    }
};

template <class B, class T>
static void bend_forward(const Grid& g, const T* x, T* y, int threads) {
    ROWS for (int64_t r = 0; r < g.rows; r++) {
        const T* in = x + r * g.width;
        T* __restrict out = y + r * g.width;
        WIDE for (int64_t c = 0; c < g.width; c++) put(out[c], B::at(get(in[c])).value);
    }
}

template <class B, class T>
static void bend_backward(const Grid& g, const T* dy, const T* x, T* y, T* dx, int threads) {
    ROWS for (int64_t r = 0; r < g.rows; r++) {
        const T *in = x + r * g.width, *d = dy + r * g.width;
        T* __restrict again = y + r * g.width;
        T* __restrict out = dx + r * g.width;
        WIDE for (int64_t c = 0; c < g.width; c++) {
            const Bent bent = B::at(get(in[c]));
            put(again[c], bent.value);
            put(out[c], get(d[c]) * bent.slope);
        }
    }
}

// y = x with dropout; its own way back.
static void drop_rows(const Grid& g, const Drop& drop, const float* x, float* y, int threads) {
    const auto table = channel_hashes(drop, g.width);
    ROWS for (int64_t r = 0; r < g.rows; r++) {
        const RowDrop left = drop.row(r);
        const uint32_t* names = table.data();
        const float* in = x + r * g.width;
        float* __restrict out = y + r * g.width;
        WIDE for (int64_t c = 0; c < g.width; c++) out[c] = in[c] * left(names[c]);
    }
}

// Sums over rows, for the gradient of a bias; `parts` holds one row for each thread.
template <class T>
static void sum_rows(const Grid& g, const T* x, float* parts, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int t = 0; t < threads; t++)
        for (int64_t r = g.rows * t / threads; r < g.rows * (t + 1) / threads; r++)
            WIDE for (int64_t c = 0; c < g.width; c++)
                parts[t * g.width + c] += get(x[r * g.width + c]);
}

// Logits become their gradient in place, softmax - one-hot, and `losses` takes -log p(target) of
// each row; a target below 0 counts nothing.
template <class T>
static void cross_entropy(const Grid& g, T* logits, const int64_t* targets, float* losses,
                          int threads) {
    ROWS for (int64_t r = 0; r < g.rows; r++) {
        T* row = logits + r * g.width;
        const int64_t target = targets[r];
        losses[r] = 0.0f;
        if (target < 0) {
            WIDE for (int64_t c = 0; c < g.width; c++) put(row[c], 0.0f);
            continue;
        }
        float* e = row_room(g.width);
        float top = -INFINITY, sum = 0.0f;
        TOP(top) for (int64_t c = 0; c < g.width; c++) {
            e[c] = get(row[c]);
            top = e[c] > top ? e[c] : top;
        }
        losses[r] = top - e[target];
        SUM(sum) for (int64_t c = 0; c < g.width; c++) sum += e[c] = exp_(e[c] - top);
        losses[r] += std::log(sum);
        const float share = 1.0f / sum;
        e[target] -= sum;
        WIDE for (int64_t c = 0; c < g.width; c++) put(row[c], e[c] * share);
    }
}

// How a student is taught: its share of the text's own tokens, and what softens distributions.
struct Teaching {
    float hard, temperature;
};

// The same for a loss that has two parts: `hard` times -log p(target), and the rest of 1 times
// temperature^2 times KL(teacher || student), both softened by the temperature.
template <class T>
static void distil(const Grid& g, const Teaching& how, T* logits, const T* teacher,
                   const int64_t* targets, float* losses, int threads) {
    const float cool = 1.0f / how.temperature, soft = (1.0f - how.hard) * how.temperature;
    ROWS for (int64_t r = 0; r < g.rows; r++) {
        T* row = logits + r * g.width;
        const T* taught = teacher + r * g.width;
        const int64_t target = targets[r];
        losses[r] = 0.0f;
        if (target < 0) {
            WIDE for (int64_t c = 0; c < g.width; c++) put(row[c], 0.0f);
            continue;
        }
        float* s = row_room(4 * g.width);
        float *t = s + g.width, *q = t + g.width, *p = q + g.width;
        float top = -INFINITY, high = -INFINITY;
        TOP(top) for (int64_t c = 0; c < g.width; c++) top = get(row[c]) > top ? get(row[c]) : top;
        TOP(high) for (int64_t c = 0; c < g.width; c++)
            high = get(taught[c]) > high ? get(taught[c]) : high;
        const float aim = get(row[target]) - top;
        float sum = 0.0f, sum_q = 0.0f, sum_p = 0.0f, apart = 0.0f;
        WIDE for (int64_t c = 0; c < g.width; c++) {
            q[c] = cool * (get(row[c]) - top);
            t[c] = cool * (get(taught[c]) - high);
        }
        SUM(sum) for (int64_t c = 0; c < g.width; c++) sum += s[c] = exp_(get(row[c]) - top);
        SUM(sum_p) for (int64_t c = 0; c < g.width; c++) sum_p += p[c] = exp_(t[c]);
        SUM(apart) for (int64_t c = 0; c < g.width; c++) apart += p[c] * (t[c] - q[c]);
        SUM(sum_q) for (int64_t c = 0; c < g.width; c++) sum_q += q[c] = exp_(q[c]);
        losses[r] = how.hard * (std::log(sum) - aim) +
                    soft * how.temperature * (apart / sum_p + std::log(sum_q) - std::log(sum_p));
        const float one = how.hard / sum, two = soft / sum_q, three = soft / sum_p;
        s[target] -= sum;
        WIDE for (int64_t c = 0; c < g.width; c++)
            put(row[c], one * s[c] + two * q[c] - three * p[c]);
    }
}

#define BEND(B, WORD, T, NAME)                                                                    \
    extern "C" void WORD##_forward_##NAME(const Grid* g, const T* x, T* y, int threads) {         \
        bend_forward<B>(*g, x, y, threads);                                                       \
    }                                                                                             \
    extern "C" void WORD##_backward_##NAME(const Grid* g, const T* dy, const T* x, T* y, T* dx,   \
                                           int threads) {                                         \
        bend_backward<B>(*g, dy, x, y, dx, threads);                                              \
    }
#define EXPORT(T, NAME)                                                                           \
    BEND(Relu, relu, T, NAME)                                                                     \
    BEND(Gelu, gelu, T, NAME)                                                                     \
    BEND(GeluTanh, gelu_tanh, T, NAME)                                                            \
    BEND(GeluSigmoid, gelu_sigmoid, T, NAME)                                                      \
extern "C" void swiglu_forward_##NAME(const Grid* g, const T* x, T* y, int threads) {         \
        swiglu_forward(*g, x, y, threads);                                                        \
    }                                                                                             \
    extern "C" void swiglu_backward_##NAME(const Grid* g, const T* dy, const T* x, T* y, T* dx,   \
                                           int threads) {                                         \
        swiglu_backward(*g, dy, x, y, dx, threads);                                               \
    }                                                                                             \
    extern "C" void sum_rows_##NAME(const Grid* g, const T* x, float* parts, int threads) {       \
        sum_rows(*g, x, parts, threads);                                                          \
    }                                                                                             \
    extern "C" void cross_entropy_##NAME(const Grid* g, T* logits, const int64_t* targets,        \
                                         float* losses, int threads) {                            \
        cross_entropy(*g, logits, targets, losses, threads);                                      \
    }                                                                                             \
    extern "C" void distil_##NAME(const Grid* g, const Teaching* how, T* logits,                  \
                                  const T* teacher, const int64_t* targets, float* losses,        \
                                  int threads) {                                                  \
        distil(*g, *how, logits, teacher, targets, losses, threads);                              \
    }
EXPORT(float, fp32)
EXPORT(bf16, bf16)
extern "C" void drop_rows_fp32(const Grid* g, const Drop* drop, const float* x, float* y,
                               int threads) {
    drop_rows(*g, *drop, x, y, threads);
}
