// The clock loop around the nodes of a cluster: their DRAM, and the links between two and two of them, with errors.
// "dut.h" is written by nodes.py for the design and the simulator at hand: a node, or the link of one alone.

#include "dut.h"
#include "memory_model.h"
#include <array>
#include <memory>
#include <vector>

namespace {

// The link's way to DRAM: reads and writes each have all its bytes in every cycle, so each is a memory of its own.
template <class D> struct Unused {
    static constexpr uint64_t bus_bytes = D::link_bytes;
    D &dut;
    uint64_t low = 0;                      // what nobody drives
    std::array<uint8_t, 64> scratch{};     // what nobody reads
    Port<1> none() { return {&low}; }
    template <unsigned BITS> Port<BITS> lost() { return {scratch.data()}; }
};

template <class D> struct Reads : Unused<D> {
    auto m_axi_araddr() { return this->dut.l_axi_araddr(); }
    auto m_axi_arlen() { return this->dut.l_axi_arlen(); }
    auto m_axi_arsize() { return this->dut.l_axi_arsize(); }
    auto m_axi_arburst() { return this->dut.l_axi_arburst(); }
    auto m_axi_arvalid() { return this->dut.l_axi_arvalid(); }
    auto m_axi_arready() { return this->dut.l_axi_arready(); }
    auto m_axi_rdata() { return this->dut.l_axi_rdata(); }
    auto m_axi_rlast() { return this->dut.l_axi_rlast(); }
    auto m_axi_rvalid() { return this->dut.l_axi_rvalid(); }
    auto m_axi_rready() { return this->dut.l_axi_rready(); }
    auto m_axi_awaddr() { return this->none(); }
    auto m_axi_awlen() { return this->none(); }
    auto m_axi_awsize() { return this->none(); }
    auto m_axi_awburst() { return this->none(); }
    auto m_axi_awvalid() { return this->none(); }
    auto m_axi_awready() { return this->template lost<1>(); }
    auto m_axi_wdata() { return this->template lost<8 * Unused<D>::bus_bytes>(); }
    auto m_axi_wstrb() { return this->template lost<Unused<D>::bus_bytes>(); }
    auto m_axi_wlast() { return this->none(); }
    auto m_axi_wvalid() { return this->none(); }
    auto m_axi_wready() { return this->template lost<1>(); }
    auto m_axi_bvalid() { return this->template lost<1>(); }
    auto m_axi_bready() { return this->none(); }
};

template <class D> struct Writes : Unused<D> {
    auto m_axi_araddr() { return this->none(); }
    auto m_axi_arlen() { return this->none(); }
    auto m_axi_arsize() { return this->none(); }
    auto m_axi_arburst() { return this->none(); }
    auto m_axi_arvalid() { return this->none(); }
    auto m_axi_arready() { return this->template lost<1>(); }
    auto m_axi_rdata() { return this->template lost<8 * Unused<D>::bus_bytes>(); }
    auto m_axi_rlast() { return this->template lost<1>(); }
    auto m_axi_rvalid() { return this->template lost<1>(); }
    auto m_axi_rready() { return this->none(); }
    auto m_axi_awaddr() { return this->dut.l_axi_awaddr(); }
    auto m_axi_awlen() { return this->dut.l_axi_awlen(); }
    auto m_axi_awsize() { return this->dut.l_axi_awsize(); }
    auto m_axi_awburst() { return this->dut.l_axi_awburst(); }
    auto m_axi_awvalid() { return this->dut.l_axi_awvalid(); }
    auto m_axi_awready() { return this->dut.l_axi_awready(); }
    auto m_axi_wdata() { return this->dut.l_axi_wdata(); }
    auto m_axi_wstrb() { return this->dut.l_axi_wstrb(); }
    auto m_axi_wlast() { return this->dut.l_axi_wlast(); }
    auto m_axi_wvalid() { return this->dut.l_axi_wvalid(); }
    auto m_axi_wready() { return this->dut.l_axi_wready(); }
    auto m_axi_bvalid() { return this->dut.l_axi_bvalid(); }
    auto m_axi_bready() { return this->dut.l_axi_bready(); }
};

struct Word {
    uint8_t kind = 0;
    std::array<uint8_t, Dut::link_bytes> data{};
};

struct Nothing {
    Nothing(uint8_t *, uint64_t, uint64_t, uint64_t) {}
    static constexpr Fault fault = Fault::none;
    static constexpr uint64_t fault_address = 0;
    template <class D> void cycle(D &, uint64_t) {}
};

template <class D, bool has_chip> struct ChipMemory {
    using type = MemoryModel<D>;
};
template <class D> struct ChipMemory<D, false> {
    using type = Nothing;
};

template <class D> struct Node {
    D dut;
    typename ChipMemory<D, D::has_chip>::type memory;
    Reads<D> reads{{dut}};
    Writes<D> writes{{dut}};
    MemoryModel<Reads<D>> source;
    MemoryModel<Writes<D>> target;
    std::vector<uint32_t> trace_queue;
    std::vector<uint64_t> trace_cycle;
    std::vector<uint64_t> word_cycle;    // of every word that the node put on its link, with the word
    std::vector<uint8_t> words;
    std::vector<Word> wire;              // the words under way, by the cycle modulo the latency

    Node(uint8_t *dram, uint64_t bytes, uint64_t rate, uint64_t latency, uint64_t link_latency)
        : memory(dram, bytes, rate, latency), source(dram, bytes, D::link_bytes, latency),
          target(dram, bytes, D::link_bytes, latency), wire(link_latency) {
        for (int i = 0; i < 8; ++i) {    // a node registers its reset: cycles in it, then cycles to leave it
            dut.rst().set(i < 4);
            dut.fall();
            dut.rise();
        }
    }

    void settle(uint64_t now) {
        memory.cycle(dut, now);
        source.cycle(reads, now);
        target.cycle(writes, now);
        dut.fall();
        trace(dut, now);
    }

    template <class T> void trace(T &chip, uint64_t now) {
        if constexpr (T::has_chip)
            for (uint64_t retired = chip.retire().get(), queue = 0; retired; retired >>= 1, ++queue)
                if (retired & 1) {
                    trace_queue.push_back(uint32_t(queue));
                    trace_cycle.push_back(now);
                }
    }

    Fault fault() const {
        for (Fault one : {Fault(memory.fault), source.fault, target.fault})
            if (one != Fault::none) return one;
        return Fault::none;
    }
};

// A number for each cycle of each node, the same as in lithify/sim/timing/peer/errors.py (splitmix64).
uint64_t mixed(uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

struct Cluster {
    std::vector<std::unique_ptr<Node<Dut>>> nodes;
    uint64_t now = 0, latency, seed;
    uint64_t rate;     // of 2^32 words that many are damaged
    uint64_t cut;      // from this cycle on nothing arrives
    bool record = false;
    uint64_t damaged = 0;
    uint64_t last_word = 0;    // the cycle of the last that was put on a link

    void settle() {
        for (size_t index = 0; index < nodes.size(); ++index) {
            Node<Dut> &node = *nodes[index];
            Word &place = node.wire[now % latency];
            Dut &other = nodes[index ^ 1]->dut;
            other.far_kind().set(place.kind);
            other.far_data().load(place.data.data());
            place.kind = uint8_t(node.dut.near_kind().get());
            if (!place.kind) continue;
            last_word = now;
            node.dut.near_data().save(place.data.data());
            if (record) {
                node.word_cycle.push_back(now);
                node.words.push_back(place.kind);
                node.words.insert(node.words.end(), place.data.begin(), place.data.end());
            }
            damage(place, index);
        }
        for (auto &node : nodes) node->settle(now);
    }

    void damage(Word &word, uint64_t index) {
        if (now >= cut) {
            word.kind = 0;
            return;
        }
        uint64_t number = mixed(seed * 0x9E3779B97F4A7C15 + (2 * now + index) * 0xD1342543DE82EF95);
        if (number >> 32 >= rate) return;
        ++damaged;
        if (number % 4 == 0) {
            word.kind = 0;
            return;
        }
        for (uint64_t flips = 1 + number / 4 % 4; flips; --flips) {
            number = mixed(number + 0x9E3779B97F4A7C15);
            const uint64_t bit = number % (8 * Dut::link_bytes + 3);
            if (bit < 8 * Dut::link_bytes) word.data[bit / 8] ^= uint8_t(1 << bit % 8);
            else word.kind ^= uint8_t(1 << (bit - 8 * Dut::link_bytes));
        }
    }

    void edge() {
        for (auto &node : nodes) node->dut.rise();
        ++now;
    }

    bool failed() const {
        for (auto &node : nodes)
            if (node->fault() != Fault::none) return true;
        return false;
    }

    bool finished() {
        for (auto &node : nodes)
            if (!node->dut.irq().get()) return false;
        return true;
    }
};

constexpr int register_limit = 10000;    // cycles an AXI4-Lite access may take before it is called stuck

}    // namespace

#if defined(_WIN32)
#define API extern "C" __declspec(dllexport)
#else
#define API extern "C" __attribute__((visibility("default")))
#endif

API void *nodes_open(uint64_t count, uint8_t **dram, uint64_t bytes, uint64_t bytes_per_cycle, uint64_t dram_latency,
                     uint64_t latency, uint64_t seed, uint64_t rate, uint64_t cut) {
    auto *cluster = new Cluster;
    cluster->latency = latency;
    cluster->seed = seed;
    cluster->rate = rate;
    cluster->cut = cut;
    for (uint64_t index = 0; index < count; ++index)
        cluster->nodes.push_back(
            std::make_unique<Node<Dut>>(dram[index], bytes, bytes_per_cycle, dram_latency, latency));
    return cluster;
}

API void nodes_close(void *handle) { delete static_cast<Cluster *>(handle); }

// Write one register of a node. Returns the cycle in which the write was accepted, or ~0 if it never was, or refused.
API uint64_t nodes_write(void *handle, uint64_t index, uint32_t address, uint32_t value) {
    Cluster &c = *static_cast<Cluster *>(handle);
    Dut &dut = c.nodes[index]->dut;
    bool waits = true, b = true;
    uint64_t accepted = ~uint64_t(0);
    dut.s_axi_awaddr().set(address);
    dut.s_axi_wdata().set(value);
    dut.s_axi_wstrb().set(15);
    dut.s_axi_bready().set(1);
    for (int i = 0; i < register_limit && b; ++i) {
        dut.s_axi_awvalid().set(waits);
        dut.s_axi_wvalid().set(waits);
        c.settle();
        if (waits && dut.s_axi_awready().get() && dut.s_axi_wready().get()) {
            waits = false;
            accepted = c.now;
        } else if (dut.s_axi_bvalid().get()) {
            b = false;
            if (dut.s_axi_bresp().get()) accepted = ~uint64_t(0);
        }
        c.edge();
        dut.s_axi_awvalid().set(0);
        dut.s_axi_wvalid().set(0);
    }
    dut.s_axi_bready().set(0);
    return b ? ~uint64_t(0) : accepted;
}

// Read one register of a node. Returns 0, or 1 if no answer came, or a refusal.
API int32_t nodes_read(void *handle, uint64_t index, uint32_t address, uint32_t *value) {
    Cluster &c = *static_cast<Cluster *>(handle);
    Dut &dut = c.nodes[index]->dut;
    bool ar = true, r = true, refused = false;
    dut.s_axi_araddr().set(address);
    dut.s_axi_rready().set(1);
    for (int i = 0; i < register_limit && r; ++i) {
        dut.s_axi_arvalid().set(ar);
        c.settle();
        if (ar && dut.s_axi_arready().get()) {
            ar = false;
        } else if (dut.s_axi_rvalid().get()) {
            *value = uint32_t(dut.s_axi_rdata().get());
            refused = dut.s_axi_rresp().get();
            r = false;
        }
        c.edge();
        dut.s_axi_arvalid().set(0);
    }
    dut.s_axi_rready().set(0);
    return r || refused ? 1 : 0;
}

// Run until every node has ended its orders and no word was put on a link for `quiet` cycles, a fault, or `cycles`
// cycles have gone by; 1 where all have ended.
API int32_t nodes_run(void *handle, uint64_t cycles, uint64_t quiet) {
    Cluster &c = *static_cast<Cluster *>(handle);
    const auto done = [&] { return c.finished() && c.now - c.last_word > quiet; };
    for (uint64_t end = c.now + cycles; c.now < end && !done() && !c.failed();) {
        c.settle();
        c.edge();
    }
    return done();
}

API uint64_t nodes_now(void *handle) { return static_cast<Cluster *>(handle)->now; }

API uint64_t nodes_damaged(void *handle) { return static_cast<Cluster *>(handle)->damaged; }

API int32_t nodes_fault(void *handle, uint64_t index, uint64_t *address) {
    Node<Dut> &node = *static_cast<Cluster *>(handle)->nodes[index];
    *address = node.memory.fault != Fault::none ? uint64_t(node.memory.fault_address)
               : node.source.fault != Fault::none ? node.source.fault_address : node.target.fault_address;
    return int32_t(node.fault());
}

API uint64_t nodes_trace(void *handle, uint64_t index, uint32_t *queue, uint64_t *cycle) {
    Node<Dut> &node = *static_cast<Cluster *>(handle)->nodes[index];
    if (queue) {
        std::copy(node.trace_queue.begin(), node.trace_queue.end(), queue);
        std::copy(node.trace_cycle.begin(), node.trace_cycle.end(), cycle);
    }
    return node.trace_queue.size();
}

API void nodes_record(void *handle, int32_t on) { static_cast<Cluster *>(handle)->record = on; }

API uint64_t nodes_words(void *handle, uint64_t index, uint64_t *cycle, uint8_t *words) {
    Node<Dut> &node = *static_cast<Cluster *>(handle)->nodes[index];
    if (cycle) {
        std::copy(node.word_cycle.begin(), node.word_cycle.end(), cycle);
        std::copy(node.words.begin(), node.words.end(), words);
    }
    return node.word_cycle.size();
}
