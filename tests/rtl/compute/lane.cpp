// Feeds a lane one case a cycle. Each case is a row of 32-bit words in the order of INPUTS (see verilated.py), taken
// `delay` cycles after the case began; the result is read `latency` cycles after it.

#include "Vdut.h"
#include "inputs.h"
#include <verilated.h>

extern "C" void run(const int32_t *cases, const int32_t *delays, int32_t count, int32_t latency, uint8_t *results) {
    VerilatedContext context;
    Vdut dut{&context};
    dut.rst = 0;
    for (int32_t cycle = 0; cycle < count + latency + 1; ++cycle) {
        set_inputs(dut, cases, delays, count, cycle);
        dut.clk = 0;
        dut.eval();
        if (cycle >= latency && cycle - latency < count) results[cycle - latency] = dut.result;
        dut.clk = 1;
        dut.eval();
    }
    dut.final();
}
