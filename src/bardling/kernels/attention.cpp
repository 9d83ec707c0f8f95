// Attention, forward and back, without its weights ever lying in memory.
//
// A thread takes one head of keys at a time, and one block of queries after the other: the scores
// of a block, their softmax and what it mixes stay in the core's cache, and keys that no query of a
// block may see are left out. The way back makes the weights again from what the softmax divided
// by. (Rabe and Staats 2021; Dao et al. 2022, "FlashAttention", algorithms 1 and 4.)
#include "heads.h"

// What dropout leaves of one query's weights, sixteen keys at a time.
struct QueryDrop {
    bool on;
    RowDrop row;
    const uint32_t* names;  // of the head's keys

    QueryDrop(const Drop& drop, const std::vector<uint32_t>& table, const Heads& h, int64_t batch,
              int64_t head, int64_t query)
        : on(drop.on()), names(table.data() + head * h.time) {
        if (on) row = drop.row(batch, query);
    }
    Lanes left(int64_t k) const {
        if (!on) return all(1.0f);
        return (Integers)mix(row.cell ^ words(names + k)) >= row.least ? all(row.scale) : Lanes{};
    }
};

// The hashes of keys' names; rows of scores are filled up, and so is this.
static std::vector<uint32_t> key_hashes(const Drop& drop, const Heads& h) {
    return channel_hashes(drop, h.heads * h.time + BLOCK);
}

// One query's scores and gradients of weights become its (dropped) weights and the gradients of
// its scores. `along` is the sum of weights times their gradients.
static void softmax_backward(float* s, float* g, int64_t query, int64_t keys, float scale,
                             float divisor, float along, const QueryDrop& drop) {
    for (int64_t k = 0; k < keys; k += LANES) {
        const Lanes w = up_to(query, k, exp_(lanes(s + k) * scale - divisor), 0.0f);
        const Lanes left = drop.left(k);
        store(g + k, w * (lanes(g + k) * left - along) * scale);
        store(s + k, w * left);
    }
}

// What one thread has before it: a head of keys and values, one of the heads of queries that look
// at it, and the scores of a block of them.
template <class T>
struct Desk {
    const Heads& h;
    const int64_t keys, width;
    Room room;
    Rows q, k, v, k_across, out, scores;

    Desk(const Heads& heads, int64_t more = 0)
        : h(heads), keys(rounded_up(h.time, BLOCK)), width(rounded_up(h.channels, LANES)),
          room((4 + more) * (keys + LANES) * width + (2 * keys + width) * BLOCK) {
        q = rows(), k = rows(), v = rows(), k_across = across();
        out = {room.take(BLOCK * width), width}, scores = block();
    }
    Rows rows() { return {room.take(keys * width), width}; }
    Rows across() { return {room.take(width * (keys + LANES)), keys + LANES}; }
    Rows block() { return {room.take(BLOCK * keys), keys}; }

    // Where a head's numbers of one sequence begin among the rows.
    int64_t query_place(int64_t b, int64_t head) const {
        return b * h.time * h.stride() + head * h.channels;
    }
    int64_t key_place(int64_t b, int64_t kv) const { return query_place(b, h.heads + kv); }
    int64_t value_place(int64_t b, int64_t kv) const { return key_place(b, h.kv_heads + kv); }
    int64_t mixed_place(int64_t b, int64_t head) const {
        return (b * h.time * h.heads + head) * h.channels;
    }

    void load_keys(const T* x, int64_t b, int64_t kv) {
        load(h, x + key_place(b, kv), h.stride(), h.key_turn(), k);
        load(h, x + value_place(b, kv), h.stride(), {}, v);
        transpose(k, keys, h.channels, k_across);
    }
    void load_queries(const T* x, int64_t b, int64_t head) {
        load(h, x + query_place(b, head), h.stride(), h.query_turn(), q);
    }
    void score(int64_t first, int64_t seen) {
        product(view(q, first), k_across, scores, BLOCK, seen, h.channels);
    }
};

// One block of queries looks at the keys up to its end, and what it mixes goes out.
template <class T>
static void mix_block(Desk<T>& desk, const Drop& drop, const std::vector<uint32_t>& table,
                      int64_t b, int64_t head, int64_t first, T* mixed, float* divisors) {
    const Heads& h = desk.h;
    const int64_t seen = first + BLOCK, last = std::min(seen, h.time);
    desk.score(first, seen);
    for (int64_t query = first; query < last; query++) {
        float* s = desk.scores.first + (query - first) * desk.scores.row;
        divisors[query] = softmax(s, query, seen, h.scale);
        if (!drop.on()) continue;
        const QueryDrop dropped(drop, table, h, b, head, query);
        for (int64_t k = 0; k < seen; k += LANES) store(s + k, lanes(s + k) * dropped.left(k));
    }
    product(view(desk.scores), desk.v, desk.out, BLOCK, desk.width, seen);
    for (int64_t query = first; query < last; query++) {
        const float* in = desk.out.first + (query - first) * desk.width;
        T* __restrict to = mixed + query * h.heads * h.channels;
        WIDE for (int64_t c = 0; c < h.channels; c++) put(to[c], in[c]);
    }
}

template <class T>
static void attend_forward(const Heads& h, const Drop& drop, const T* x, T* mixed, float* divisors,
                           int threads) {
    const auto table = key_hashes(drop, h);
    ROWS for (int64_t unit = 0; unit < h.batch * h.kv_heads; unit++) {
        const int64_t b = unit / h.kv_heads, kv = unit % h.kv_heads;
        Desk<T> desk(h);
        desk.load_keys(x, b, kv);
        for (int64_t head = kv * h.group(); head < (kv + 1) * h.group(); head++) {
            desk.load_queries(x, b, head);
            for (int64_t first = 0; first < h.time; first += BLOCK)
                mix_block(desk, drop, table, b, head, first, mixed + desk.mixed_place(b, head),
                          divisors + (b * h.heads + head) * h.time);
        }
    }
}

// The desk on the way back: gradients of what was mixed, of keys and values, and of scores.
template <class T>
struct BackDesk : Desk<T> {
    Rows d, dk, dv, v_across, dscores;

    BackDesk(const Heads& heads) : Desk<T>(heads, 4) {
        d = this->rows(), dk = this->rows(), dv = this->rows(), v_across = this->across();
        dscores = this->block();
    }
    void load_keys(const T* x, int64_t b, int64_t kv) {
        Desk<T>::load_keys(x, b, kv);
        transpose(this->v, this->keys, this->h.channels, v_across);
        for (Rows sum : {dk, dv}) std::fill(sum.first, sum.first + this->keys * this->width, 0.0f);
    }
    void load_queries(const T* x, const T* dmixed, int64_t b, int64_t head) {
        const Heads& h = this->h;
        Desk<T>::load_queries(x, b, head);
        load(h, dmixed + this->mixed_place(b, head), h.heads * h.channels, {}, d);
    }
};

// The way back through one block of queries: into its keys and values, and to its own gradients,
// which `out` holds then.
template <class T>
static void unmix_block(BackDesk<T>& desk, const Drop& drop, const std::vector<uint32_t>& table,
                        int64_t b, int64_t head, int64_t first, const T* mixed,
                        const float* divisors) {
    const Heads& h = desk.h;
    const int64_t seen = first + BLOCK, last = std::min(seen, h.time);
    desk.score(first, seen);
    product(view(desk.d, first), desk.v_across, desk.dscores, BLOCK, seen, h.channels);
    for (int64_t query = first; query < seen; query++) {
        float* s = desk.scores.first + (query - first) * desk.scores.row;
        float* ds = desk.dscores.first + (query - first) * desk.dscores.row;
        if (query >= last) {
            std::fill(s, s + seen, 0.0f), std::fill(ds, ds + seen, 0.0f);
            continue;
        }
        const T* to = mixed + query * h.heads * h.channels;
        const float along = dot(desk.d.first + query * desk.width, to, h.channels);
        softmax_backward(s, ds, query, seen, h.scale, divisors[query], along,
                         QueryDrop(drop, table, h, b, head, query));
    }
    product(turned(desk.scores), from(desk.d, first), desk.dv, seen, desk.width, BLOCK, true);
    product(turned(desk.dscores), from(desk.q, first), desk.dk, seen, desk.width, BLOCK, true);
    product(view(desk.dscores), desk.k, desk.out, BLOCK, desk.width, seen);
}

// `parts` takes gradients of the weights of both norms: for each thread queries', then keys'.
template <class T>
static void attend_backward(const Heads& h, const Drop& drop, const T* dmixed, const T* x,
                            const T* mixed, const float* divisors, T* dx, float* parts,
                            int threads) {
    const auto table = key_hashes(drop, h);
    const int64_t units = h.batch * h.kv_heads;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int part = 0; part < threads; part++) {
        float *dquery = parts + 2 * part * h.channels, *dkey = dquery + h.channels;
        for (int64_t unit = units * part / threads; unit < units * (part + 1) / threads; unit++) {
            const int64_t b = unit / h.kv_heads, kv = unit % h.kv_heads;
            BackDesk<T> desk(h);
            desk.load_keys(x, b, kv);
            for (int64_t head = kv * h.group(); head < (kv + 1) * h.group(); head++) {
                const int64_t place = desk.query_place(b, head);
                desk.load_queries(x, dmixed, b, head);
                for (int64_t first = 0; first < h.time; first += BLOCK) {
                    unmix_block(desk, drop, table, b, head, first,
                                mixed + desk.mixed_place(b, head),
                                divisors + (b * h.heads + head) * h.time);
                    unload(h, first, std::min(first + BLOCK, h.time), desk.out, x + place,
                           dx + place, h.query_turn(), dquery);
                }
            }
            const int64_t keys = desk.key_place(b, kv), values = desk.value_place(b, kv);
            unload(h, 0, h.time, desk.dk, x + keys, dx + keys, h.key_turn(), dkey);
            unload(h, 0, h.time, desk.dv, x + values, dx + values, {}, nullptr);
        }
    }
}

#define EXPORT(T, NAME)                                                                           \
    extern "C" void attend_forward_##NAME(const Heads* h, const Drop* drop, const T* x, T* mixed, \
                                          float* divisors, int threads) {                         \
        attend_forward(*h, *drop, x, mixed, divisors, threads);                                   \
    }                                                                                             \
    extern "C" void attend_backward_##NAME(const Heads* h, const Drop* drop, const T* dmixed,     \
                                           const T* x, const T* mixed, const float* divisors,     \
                                           T* dx, float* parts, int threads) {                    \
        attend_backward(*h, *drop, dmixed, x, mixed, divisors, dx, parts, threads);               \
    }
EXPORT(float, fp32)
EXPORT(bf16, bf16)
