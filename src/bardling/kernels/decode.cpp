// Some tokens more for each sequence: the whole model in one call, reading every weight once.
//
// Matrices are read in the form they are stored in, float, bf16, or int8 with a factor for each
// row, and multiplied in float. A null pointer stands for what is absent. Threads are started once
// a token; between the stages of a layer they only wait for each other.
#include <omp.h>

#include <algorithm>

#include "common.h"

enum Form { FLOAT, BF16, INT8 };

struct Matrix {
    const void* weights;  // [rows columns]
    const float *factors, *bias;
    int64_t rows, columns, form;
};

struct Norm {
    const float *weight, *bias;
    int64_t centred;
    float eps;
};

struct Layer {
    Norm before_attention, query_norm, key_norm, before_feedforward;
    Matrix query, key, value, output, gate, up, down;
    float* keys;    // [sequence kv_head channel block]
    float* values;  // [sequence kv_head block channel]
};

struct Model {
    int64_t n_layer, width, heads, kv_heads, channels, block, bend;
    float scale;
    const float *embedding, *places, *cos, *sin;
    const Layer* layers;
    Norm final_norm;
    Matrix output;
    float *stream, *normed, *change;           // [sequence width]
    float *query, *mixed;                      // [sequence head channel]
    float *new_keys, *new_values;              // [sequence kv_head channel]
    float *inner, *gates;                      // [sequence inner width]
    float* scores;                             // [thread block]
};

enum Bend { RELU, GELU, GELU_TANH, GELU_SIGMOID, SWIGLU };

static inline float get(int8_t x) { return float(x); }

static inline float finish(const Matrix& m, int64_t row, float sum) {
    return sum * (m.factors ? m.factors[row] : 1.0f) + (m.bias ? m.bias[row] : 0.0f);
}

// y = W x + b for some rows of W and all sequences, four rows at a time.
template <class W>
static void rows_times(const Matrix& m, const W* weights, const float* x, float* y, int64_t count,
                       int64_t first, int64_t last) {
    const int64_t n = m.columns;
    for (int64_t r = first; r < last; r += 4) {
        const int64_t many = std::min<int64_t>(4, last - r);
        const W* w[4];
        for (int64_t i = 0; i < 4; i++) w[i] = weights + (r + std::min(i, many - 1)) * n;
        for (int64_t s = 0; s < count; s++) {
            const float* in = x + s * n;
            float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
            SUM(a, b, c, d) for (int64_t k = 0; k < n; k++) {
                a += get(w[0][k]) * in[k];
                b += get(w[1][k]) * in[k];
                c += get(w[2][k]) * in[k];
                d += get(w[3][k]) * in[k];
            }
            const float sums[4] = {a, b, c, d};
            for (int64_t i = 0; i < many; i++) y[s * m.rows + r + i] = finish(m, r + i, sums[i]);
        }
    }
}

// The same for many sequences: their numbers side by side in one vector, so nothing is summed
// across it. `turned` takes x with columns before sequences.
typedef float Lanes __attribute__((vector_size(64)));
typedef float UnalignedLanes __attribute__((vector_size(64), aligned(4), may_alias));
static const int64_t LANES = 16;

template <class W>
static void rows_times_lanes(const Matrix& m, const W* weights, const float* x, float* y,
                             int64_t count, int64_t first, int64_t last) {
    const int64_t n = m.columns;
    std::vector<Lanes> turned(n);
    for (int64_t s = 0; s < count; s += LANES) {
        const int64_t many = std::min(LANES, count - s);
        for (int64_t k = 0; k < n; k++)
            for (int64_t i = 0; i < many; i++) turned[k][i] = x[(s + i) * n + k];
        for (int64_t r = first; r < last; r += 4) {
            const int64_t some = std::min<int64_t>(4, last - r);
            const W* w[4];
            for (int64_t i = 0; i < 4; i++) w[i] = weights + (r + std::min(i, some - 1)) * n;
            Lanes a = {}, b = {}, c = {}, d = {};
            for (int64_t k = 0; k < n; k++) {
                a += get(w[0][k]) * turned[k];
                b += get(w[1][k]) * turned[k];
                c += get(w[2][k]) * turned[k];
                d += get(w[3][k]) * turned[k];
            }
            const Lanes sums[4] = {a, b, c, d};
            for (int64_t i = 0; i < some; i++)
                for (int64_t j = 0; j < many; j++)
                    y[(s + j) * m.rows + r + i] = finish(m, r + i, sums[i][j]);
        }
    }
}

template <class W>
static void share(const Matrix& m, const float* x, float* y, int64_t count, int64_t first,
                  int64_t last) {
    const auto* weights = (const W*)m.weights;
    if (count < LANES / 4)
        rows_times(m, weights, x, y, count, first, last);
    else
        rows_times_lanes(m, weights, x, y, count, first, last);
}

// This thread's share of y = W x + b.
static void times(const Matrix& m, const float* x, float* y, int64_t count) {
    const int64_t groups = (m.rows + 3) / 4, t = omp_get_thread_num(), n = omp_get_num_threads();
    const int64_t first = groups * t / n * 4, last = std::min(m.rows, groups * (t + 1) / n * 4);
    if (m.form == FLOAT) share<float>(m, x, y, count, first, last);
    if (m.form == BF16) share<bf16>(m, x, y, count, first, last);
    if (m.form == INT8) share<int8_t>(m, x, y, count, first, last);
}

static void normalise(const Norm& norm, const float* x, float* y, int64_t n) {
    if (!norm.weight) {
        if (x != y) std::copy(x, x + n, y);
        return;
    }
    float mean = 0.0f, square = 0.0f;
    if (norm.centred) {
        SUM(mean) for (int64_t c = 0; c < n; c++) mean += x[c];
        mean /= float(n);
    }
    SUM(square) for (int64_t c = 0; c < n; c++) square += (x[c] - mean) * (x[c] - mean);
    const float rstd = inverse_root(square / float(n) + norm.eps);
    for (int64_t c = 0; c < n; c++)
        y[c] = (x[c] - mean) * rstd * norm.weight[c] + (norm.bias ? norm.bias[c] : 0.0f);
}

static void turn(const Model& m, float* x, int64_t position) {
    if (!m.cos) return;
    const int64_t half = m.channels / 2;
    const float *co = m.cos + position * m.channels, *si = m.sin + position * m.channels;
    for (int64_t c = 0; c < half; c++) {
        const float first = x[c], second = x[c + half];
        x[c] = first * co[c] - second * si[c];
        x[c + half] = second * co[c + half] + first * si[c + half];
    }
}

struct Step {  // `span` tokens of each of `count` sequences, from `position` on
    const int64_t* tokens;
    float* logits;  // of the last token of each, or of all
    int64_t count, span, position, all;

    int64_t rows() const { return count * span; }
    int64_t sequence(int64_t row) const { return row / span; }
    int64_t place(int64_t row) const { return position + row % span; }
};

// One head of one token: its query against all keys up to it, and the mixture of the values.
static void attend(const Model& m, const Layer& l, const Step& step, int64_t row, int64_t head,
                   float* scores) {
    const int64_t kv = head / (m.heads / m.kv_heads), n = m.channels;
    const int64_t s = step.sequence(row), position = step.place(row);
    const float* keys = l.keys + (s * m.kv_heads + kv) * m.block * n;
    const float* values = l.values + (s * m.kv_heads + kv) * m.block * n;
    float *query = m.query + (row * m.heads + head) * n, *out = m.mixed + (row * m.heads + head) * n;
    normalise(l.query_norm, query, query, n);
    turn(m, query, position);
    float top = -INFINITY, sum = 0.0f;
    std::fill(scores, scores + position + 1, 0.0f);
    for (int64_t c = 0; c < n; c++) {
        const float q = query[c] * m.scale;
        WIDE for (int64_t k = 0; k <= position; k++) scores[k] += q * keys[c * m.block + k];
    }
    TOP(top) for (int64_t k = 0; k <= position; k++) top = scores[k] > top ? scores[k] : top;
    SUM(sum) for (int64_t k = 0; k <= position; k++) sum += scores[k] = exp_(scores[k] - top);
    const float share = 1.0f / sum;
    int64_t c = 0;
    for (; c + LANES <= n; c += LANES) {
        Lanes mixed = {};
        for (int64_t k = 0; k <= position; k++)
            mixed += scores[k] * *(const UnalignedLanes*)(values + k * n + c);
        *(UnalignedLanes*)(out + c) = mixed * share;
    }
    for (; c < n; c++) {
        float mixed = 0.0f;
        for (int64_t k = 0; k <= position; k++) mixed += scores[k] * values[k * n + c];
        out[c] = mixed * share;
    }
}

// Bring the new keys and values of one token and head into the cache.
static void remember(const Model& m, const Layer& l, const Step& step, int64_t row, int64_t kv) {
    const int64_t n = m.channels, head = step.sequence(row) * m.kv_heads + kv;
    const int64_t position = step.place(row), from = (row * m.kv_heads + kv) * n;
    float *key = m.new_keys + from, *value = m.new_values + from;
    normalise(l.key_norm, key, key, n);
    turn(m, key, position);
    for (int64_t c = 0; c < n; c++) l.keys[(head * n + c) * m.block + position] = key[c];
    std::copy(value, value + n, l.values + (head * m.block + position) * n);
}

static inline float bend(int64_t kind, float x) {
    if (kind == RELU) return x > 0.0f ? x : 0.0f;
    if (kind == GELU) return x * normal(x);
    if (kind == GELU_TANH) return x * sigmoid(1.5957691216f * (x + 0.044715f * x * x * x));
    return x * sigmoid(kind == GELU_SIGMOID ? 1.702f * x : x);
}

#define EACH(i, n) _Pragma("omp for schedule(static)") for (int64_t i = 0; i < (n); i++)
#define MEET _Pragma("omp barrier")

static void attention(const Model& m, const Layer& l, const Step& step) {
    const int64_t count = step.rows();
    times(l.query, m.normed, m.query, count);
    times(l.key, m.normed, m.new_keys, count);
    times(l.value, m.normed, m.new_values, count);
    MEET;
    EACH(i, count * m.kv_heads) remember(m, l, step, i / m.kv_heads, i % m.kv_heads);
    float* scores = m.scores + omp_get_thread_num() * m.block;
    EACH(i, count * m.heads) attend(m, l, step, i / m.heads, i % m.heads, scores);
    times(l.output, m.mixed, m.change, count);
    MEET;
}

static void feed_forward(const Model& m, const Layer& l, int64_t count) {
    times(l.up, m.normed, m.inner, count);
    if (m.bend == SWIGLU) times(l.gate, m.normed, m.gates, count);
    MEET;
    if (m.bend == SWIGLU) {
        EACH(i, count * l.up.rows) m.inner[i] *= m.gates[i] * sigmoid(m.gates[i]);
    } else {
        EACH(i, count * l.up.rows) m.inner[i] = bend(m.bend, m.inner[i]);
    }
    times(l.down, m.inner, m.change, count);
    MEET;
}

// Add what a sublayer made to the stream, and normalise that for the next one.
static void add_norm(const Model& m, const Norm& next, int64_t count) {
    EACH(s, count) {
        float* x = m.stream + s * m.width;
        for (int64_t c = 0; c < m.width; c++) x[c] += m.change[s * m.width + c];
        normalise(next, x, m.normed + s * m.width, m.width);
    }
}

extern "C" void decode_step(const Model* model, const Step* step, int threads) {
    const Model& m = *model;
    const int64_t rows = step->rows();
#pragma omp parallel num_threads(threads)
    {
        EACH(r, rows) {
            float* x = m.stream + r * m.width;
            const float *token = m.embedding + step->tokens[r] * m.width,
                        *place = m.places ? m.places + step->place(r) * m.width : nullptr;
            for (int64_t c = 0; c < m.width; c++) x[c] = token[c] + (place ? place[c] : 0.0f);
            normalise(m.n_layer ? m.layers[0].before_attention : m.final_norm, x,
                      m.normed + r * m.width, m.width);
        }
        for (int64_t i = 0; i < m.n_layer; i++) {
            const Layer& l = m.layers[i];
            attention(m, l, *step);
            add_norm(m, l.before_feedforward, rows);
            feed_forward(m, l, rows);
            add_norm(m, i + 1 < m.n_layer ? m.layers[i + 1].before_attention : m.final_norm, rows);
        }
        if (step->all) {
            times(m.output, m.normed, step->logits, rows);
        } else {
            EACH(s, step->count) {
                const float* last = m.normed + ((s + 1) * step->span - 1) * m.width;
                std::copy(last, last + m.width, m.change + s * m.width);
            }
            times(m.output, m.change, step->logits, step->count);
        }
    }
}
