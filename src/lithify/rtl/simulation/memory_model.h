// The memory outside the chip: one AXI4 port, the same rule as lithify/sim/timing/memory.py.
//
// At most one burst is accepted a cycle, a read before a write. Accepted bursts join one queue, and their beats move
// strictly in that order, at most one a cycle. A burst accepted in cycle t moves its first beat in cycle t + latency or
// later. A bucket holds at most two beats' worth of bytes; each cycle it first gains bytes_per_cycle, and a beat,
// counted whole, moves only when the bucket holds it. A write beat that is not ready blocks what is behind it. The
// write response comes one cycle after the last beat.

#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>

enum class Fault : int32_t {
    none = 0,
    outside = 1,       // a burst outside the DRAM image
    page = 2,          // a burst that crosses a 4 KB boundary
    shape = 3,         // a burst that is not INCR of whole bus words, or not aligned to one
    not_ready = 4,     // RREADY or BREADY was low while the memory had something to give
    last = 5,          // WLAST in the wrong beat
};

template <class Dut> class MemoryModel {
  public:
    static constexpr uint64_t bus_bytes = Dut::bus_bytes;

    MemoryModel(uint8_t *dram, uint64_t dram_bytes, uint64_t bytes_per_cycle, uint64_t latency)
        : dram(dram), dram_bytes(dram_bytes), bytes_per_cycle(bytes_per_cycle), latency(latency) {}

    // Drive the chip's inputs for this cycle from the outputs it shows now.
    void cycle(Dut &dut, uint64_t now) {
        tokens = std::min(2 * bus_bytes, tokens + bytes_per_cycle);
        const bool bvalid = response_at == now;
        dut.m_axi_bvalid().set(bvalid);
        if (bvalid && !dut.m_axi_bready().get()) fail(Fault::not_ready, now);

        bool rvalid = false, wready = false;
        if (!bursts.empty() && bursts.front().first_beat <= now && tokens >= bus_bytes) {
            Burst &burst = bursts.front();
            if (!burst.write) {
                rvalid = true;
                dut.m_axi_rdata().load(dram + burst.address);
                dut.m_axi_rlast().set(burst.beats == 1);
                if (!dut.m_axi_rready().get()) fail(Fault::not_ready, burst.address);
                bytes_read += bus_bytes;
                moved(burst);
            } else if (dut.m_axi_wvalid().get()) {
                wready = true;
                store(dut, burst.address);
                if (bool(dut.m_axi_wlast().get()) != (burst.beats == 1)) fail(Fault::last, burst.address);
                if (burst.beats == 1) response_at = now + 1;
                bytes_written += bus_bytes;
                moved(burst);
            }
        }
        dut.m_axi_rvalid().set(rvalid);
        dut.m_axi_wready().set(wready);

        const bool arvalid = dut.m_axi_arvalid().get();
        dut.m_axi_arready().set(1);
        dut.m_axi_awready().set(!arvalid);
        if (arvalid)
            accept(false, dut.m_axi_araddr().get(), dut.m_axi_arlen().get(), dut.m_axi_arsize().get(),
                   dut.m_axi_arburst().get(), now);
        else if (dut.m_axi_awvalid().get())
            accept(true, dut.m_axi_awaddr().get(), dut.m_axi_awlen().get(), dut.m_axi_awsize().get(),
                   dut.m_axi_awburst().get(), now);
    }

    uint64_t bytes_read = 0, bytes_written = 0;
    Fault fault = Fault::none;
    uint64_t fault_address = 0;

  private:
    struct Burst {
        bool write;
        uint64_t address;
        uint64_t beats;
        uint64_t first_beat;
    };

    void accept(bool write, uint64_t address, uint64_t len, uint64_t size, uint64_t type, uint64_t now) {
        const uint64_t beats = len + 1, bytes = beats * bus_bytes;
        if ((uint64_t(1) << size) != bus_bytes || type != 1 || address % bus_bytes) return fail(Fault::shape, address);
        if (address / 4096 != (address + bytes - 1) / 4096) return fail(Fault::page, address);
        if (address + bytes > dram_bytes) return fail(Fault::outside, address);
        bursts.push_back({write, address, beats, now + latency});
    }

    void moved(Burst &burst) {
        tokens -= bus_bytes;
        burst.address += bus_bytes;
        if (--burst.beats == 0) bursts.pop_front();
    }

    void store(Dut &dut, uint64_t address) {
        uint8_t word[bus_bytes];
        dut.m_axi_wdata().save(word);
        uint8_t strobe[(bus_bytes + 7) / 8];
        dut.m_axi_wstrb().save(strobe);
        for (uint64_t byte = 0; byte < bus_bytes; ++byte)
            if (strobe[byte / 8] >> byte % 8 & 1) dram[address + byte] = word[byte];
    }

    void fail(Fault what, uint64_t address) {
        if (fault != Fault::none) return;
        fault = what;
        fault_address = address;
    }

    uint8_t *dram;
    uint64_t dram_bytes, bytes_per_cycle, latency;
    uint64_t tokens = 2 * bus_bytes;
    uint64_t response_at = ~uint64_t(0);
    std::deque<Burst> bursts;
};
