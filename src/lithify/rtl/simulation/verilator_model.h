// The chip as Verilator gives it: ports are little-endian words that memcpy can reach.

#pragma once
#include "Vdut.h"
#include "port.h"
#include <verilated.h>

struct Model {
    VerilatedContext context;
    Vdut ports{&context};

    void fall() {
        ports.clk = 0;
        ports.eval();
    }
    void rise() {
        ports.clk = 1;
        ports.eval();
    }
    ~Model() { ports.final(); }
};

template <class T> void *storage(T &port) { return &port; }
#define PORT(name) storage(model.ports.name)

