// The chip as CXXRTL gives it: ports are arrays of little-endian 32-bit chunks.

#pragma once
#include "model_type.h"
#include "port.h"

struct Model {
    ModelType ports;

    void fall() {
        ports.p_clk.template set<bool>(false);
        ports.step();
    }
    void rise() {
        ports.p_clk.template set<bool>(true);
        ports.step();
        ports.step();    // outputs that are logic behind registers follow the registers only now
    }
};

template <size_t BITS> void *storage(cxxrtl::value<BITS> &port) { return port.data; }
template <size_t BITS> void *storage(cxxrtl::wire<BITS> &port) { return port.curr.data; }
#define PORT(name) storage(model.ports.name)
