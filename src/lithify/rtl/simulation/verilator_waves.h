// The chip as Verilator gives it, and a file of the values of its signals in some of its cycles.

#pragma once
#include "Vdut.h"
#include "port.h"
#include <verilated.h>
#include <verilated_vcd_c.h>

struct Waves {
    VerilatedVcdC file;
    uint64_t length = 0, period = 0, cycle = 0;    // the last `length` cycles of every `period` are written
};

inline Waves *waves = nullptr;    // of the model that was made last

struct Model {
    VerilatedContext context;
    Vdut ports{&context};
    Waves own;

    Model() {
        context.traceEverOn(true);
        ports.trace(&own.file, 99);
        waves = &own;
    }
    void fall() {
        ports.clk = 0;
        ports.eval();
    }
    void rise() {
        // All signals have settled, and the edge that ends the cycle has not come.
        if (own.period && own.cycle++ % own.period + own.length >= own.period) own.file.dump(own.cycle);
        ports.clk = 1;
        ports.eval();
    }
    ~Model() {
        own.file.close();
        ports.final();
        waves = nullptr;
    }
};

template <class T> void *storage(T &port) { return &port; }
#define PORT(name) storage(model.ports.name)

#if defined(_WIN32)
extern "C" __declspec(dllexport)
#else
extern "C" __attribute__((visibility("default")))
#endif
void lithify_waves(const char *path, uint64_t length, uint64_t period) {
    waves->file.open(path);
    waves->length = length;
    waves->period = period;
    waves->cycle = 0;
}
