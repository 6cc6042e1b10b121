// Feeds a block of float32 arithmetic one case a cycle: `columns` 32-bit inputs each; the result is read `latency` cycles
// after it.

#include "Vdut.h"
#include "inputs.h"
#include <verilated.h>

extern "C" void run(const uint32_t *cases, int32_t columns, int32_t count, int32_t latency, uint32_t *results) {
    VerilatedContext context;
    Vdut dut{&context};
    dut.rst = 0;
    for (int32_t cycle = 0; cycle < count + latency; ++cycle) {
        if (cycle < count) set_inputs(dut, cases + int64_t(cycle) * columns);
        dut.clk = 0;
        dut.eval();
        if (cycle >= latency) results[cycle - latency] = dut.result;
        dut.clk = 1;
        dut.eval();
    }
    dut.final();
}
