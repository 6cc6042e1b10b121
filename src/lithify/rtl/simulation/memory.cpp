// A board's memory alone: its bus and its host's port, a cycle a call, and the SDRAM behind it if it has one.
// "dut.h" is written by memory.py for the design and the simulator at hand.

#include "dut.h"
#include "sdram_model.h"
#include <cstdint>
#include <memory>

struct Inputs {
    uint64_t arvalid, araddr, arlen, awvalid, awaddr, awlen, wvalid, wdata;
    uint64_t host_valid, host_write, host_address, host_data;
};

struct Outputs {
    uint64_t arready, awready, rvalid, rdata, rlast, rresp, wready, bvalid, bresp;
    uint64_t host_ready, host_read_valid, host_read_data, late;
    uint64_t fault, fault_cycle, refreshes, activations;
};

namespace {

struct Bench {
    Dut dut;
    Sdram chip;

    explicit Bench(const SdramRules &rules) : chip(rules) {
        dut.bus_rready().set(1);
        dut.bus_bready().set(1);
        dut.rst().set(1);
        for (int i = 0; i < 4; ++i) {
            dut.fall();
            dut.rise();
        }
        dut.rst().set(0);
    }
};

}    // namespace

#if defined(_WIN32)
#define API extern "C" __declspec(dllexport)
#else
#define API extern "C" __attribute__((visibility("default")))
#endif

API void *memory_open(const SdramRules *rules) { return new Bench(*rules); }

API void memory_close(void *handle) { delete static_cast<Bench *>(handle); }

// What the memory shows in a cycle, given what is asked in it.
API void memory_cycle(void *handle, const Inputs *in, Outputs *out) {
    Bench &bench = *static_cast<Bench *>(handle);
    Dut &dut = bench.dut;
    dut.bus_arvalid().set(in->arvalid);
    dut.bus_araddr().set(in->araddr);
    dut.bus_arlen().set(in->arlen);
    dut.bus_awvalid().set(in->awvalid);
    dut.bus_awaddr().set(in->awaddr);
    dut.bus_awlen().set(in->awlen);
    dut.bus_wvalid().set(in->wvalid);
    dut.bus_wdata().set(in->wdata);
    dut.host_valid().set(in->host_valid);
    dut.host_write().set(in->host_write);
    dut.host_address().set(in->host_address);
    dut.host_write_data().set(in->host_data);
    dut.fall();
    *out = {dut.bus_arready().get(), dut.bus_awready().get(), dut.bus_rvalid().get(), dut.bus_rdata().get(),
            dut.bus_rlast().get(), dut.bus_rresp().get(), dut.bus_wready().get(), dut.bus_bvalid().get(),
            dut.bus_bresp().get(), dut.host_ready().get(), dut.host_read_valid().get(), dut.host_read_data().get(),
            dut.late().get(), 0, 0, 0, 0};
    sdram_cycle(dut, bench.chip);
    out->fault = uint64_t(bench.chip.fault);
    out->fault_cycle = bench.chip.fault_cycle;
    out->refreshes = bench.chip.refreshes;
    out->activations = bench.chip.activations;
    dut.rise();
}
