// The clock loop around one chip: AXI4-Lite accesses, running to the interrupt, the trace of retirements.
// "dut.h" is written by build.py for the design and the simulator at hand.

#include "dut.h"
#include "memory_model.h"
#include <vector>

namespace {

struct Simulation {
    Dut dut;
    MemoryModel<Dut> memory;
    uint64_t now = 0;          // number of the current cycle since reset was released
    std::vector<uint32_t> trace_queue;
    std::vector<uint64_t> trace_cycle;
    bool record = false;       // keep every word of results
    struct {
        std::vector<uint16_t> address;
        std::vector<uint8_t> data;
    } results[Dut::result_ports];

    Simulation(uint8_t *dram, uint64_t bytes, uint64_t bytes_per_cycle, uint64_t latency)
        : memory(dram, bytes, bytes_per_cycle, latency) {
        for (int i = 0; i < 8; ++i) {    // the chip registers its reset: cycles in it, then cycles to leave it
            dut.rst().set(i < 4);
            dut.fall();
            dut.rise();
        }
    }

    // First half of a cycle: the memory answers the outputs shown since the last edge; combinational paths settle.
    void settle() {
        memory.cycle(dut, now);
        dut.fall();
        for (uint64_t retired = dut.retire().get(), queue = 0; retired; retired >>= 1, ++queue)
            if (retired & 1) {
                trace_queue.push_back(uint32_t(queue));
                trace_cycle.push_back(now);
            }
        if (record)
            dut.each_result([&](int port, auto valid, auto address, auto data) {
                if (!valid.get()) return;
                auto &kept = results[port];
                kept.address.push_back(uint16_t(address.get()));
                kept.data.resize(kept.data.size() + Dut::word_bytes);
                data.save(kept.data.data() + kept.data.size() - Dut::word_bytes);
            });
    }

    // Second half: the rising edge that ends the cycle.
    void edge() {
        dut.rise();
        ++now;
    }

    bool failed() const { return memory.fault != Fault::none; }
};

constexpr int register_limit = 10000;    // cycles an AXI4-Lite access may take before it is called stuck

}    // namespace

#if defined(_WIN32)
#define API extern "C" __declspec(dllexport)
#else
#define API extern "C" __attribute__((visibility("default")))
#endif

struct Counts {
    uint64_t now, bytes_read, bytes_written, fault_address, trace_length;
    uint64_t results;
    int32_t fault;
    int32_t interrupt;
};

API void *lithify_open(uint8_t *dram, uint64_t bytes, uint64_t bytes_per_cycle, uint64_t latency) {
    return new Simulation(dram, bytes, bytes_per_cycle, latency);
}

API void lithify_close(void *handle) { delete static_cast<Simulation *>(handle); }

API uint64_t lithify_bus_bytes() { return Dut::bus_bytes; }

// Write one register. Returns the cycle in which the write was accepted, or ~0 if it never was.
API uint64_t lithify_write(void *handle, uint32_t address, uint32_t value) {
    Simulation &s = *static_cast<Simulation *>(handle);
    bool aw = true, w = true, b = true;
    uint64_t accepted = ~uint64_t(0);
    for (int i = 0; i < register_limit && b; ++i) {
        s.dut.s_axi_awvalid().set(aw);
        s.dut.s_axi_awaddr().set(address);
        s.dut.s_axi_wvalid().set(w);
        s.dut.s_axi_wdata().set(value);
        s.dut.s_axi_wstrb().set(15);
        s.dut.s_axi_bready().set(1);
        s.settle();
        if (aw && s.dut.s_axi_awready().get()) aw = false;
        if (w && s.dut.s_axi_wready().get()) {
            w = false;
            accepted = s.now;
        }
        if (s.dut.s_axi_bvalid().get()) b = false;
        s.edge();
        s.dut.s_axi_awvalid().set(0);
        s.dut.s_axi_wvalid().set(0);
    }
    s.dut.s_axi_bready().set(0);
    return b ? ~uint64_t(0) : accepted;
}

// Read one register. Returns 0, or 1 if no answer came.
API int32_t lithify_read(void *handle, uint32_t address, uint32_t *value) {
    Simulation &s = *static_cast<Simulation *>(handle);
    bool ar = true, r = true;
    for (int i = 0; i < register_limit && r; ++i) {
        s.dut.s_axi_arvalid().set(ar);
        s.dut.s_axi_araddr().set(address);
        s.dut.s_axi_rready().set(1);
        s.settle();
        if (ar && s.dut.s_axi_arready().get()) ar = false;
        if (s.dut.s_axi_rvalid().get()) {
            *value = uint32_t(s.dut.s_axi_rdata().get());
            r = false;
        }
        s.edge();
        s.dut.s_axi_arvalid().set(0);
    }
    s.dut.s_axi_rready().set(0);
    return r ? 1 : 0;
}

// Run until the interrupt is up, a fault, or `cycles` cycles have gone by.
API void lithify_run(void *handle, uint64_t cycles) {
    Simulation &s = *static_cast<Simulation *>(handle);
    for (uint64_t end = s.now + cycles; s.now < end && !s.dut.irq().get() && !s.failed();) {
        s.settle();
        s.edge();
    }
}

API void lithify_counts(void *handle, Counts *counts) {
    Simulation &s = *static_cast<Simulation *>(handle);
    *counts = {s.now, s.memory.bytes_read, s.memory.bytes_written, s.memory.fault_address, s.trace_queue.size(),
               s.results[0].address.size(), int32_t(s.memory.fault), int32_t(s.dut.irq().get())};
}

API void lithify_trace(void *handle, uint32_t *queue, uint64_t *cycle) {
    Simulation &s = *static_cast<Simulation *>(handle);
    std::copy(s.trace_queue.begin(), s.trace_queue.end(), queue);
    std::copy(s.trace_cycle.begin(), s.trace_cycle.end(), cycle);
}

API void lithify_record(void *handle, int32_t on) { static_cast<Simulation *>(handle)->record = on; }

API uint64_t lithify_word_bytes() { return Dut::word_bytes; }

API uint64_t lithify_result_ports() { return Dut::result_ports; }

API uint64_t lithify_result_count(void *handle, uint64_t port) {
    return static_cast<Simulation *>(handle)->results[port].address.size();
}

API void lithify_results(void *handle, uint64_t port, uint16_t *address, uint8_t *data) {
    const auto &kept = static_cast<Simulation *>(handle)->results[port];
    std::copy(kept.address.begin(), kept.address.end(), address);
    std::copy(kept.data.begin(), kept.data.end(), data);
}
