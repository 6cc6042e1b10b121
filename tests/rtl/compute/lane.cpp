// Feeds a lane two cases in three cycles. Each case is a row of 32-bit words in the order of the test's names, taken
// `delay` cycles after the case began; the result is read `latency` cycles after it. In the third cycle nothing is
// valid, and the inputs are those of some case.

#include "Vdut.h"
#include <verilated.h>

// The case that begins in a cycle, -1: none.
static int32_t case_of(int32_t cycle, int32_t count) {
    if (cycle < 0 || cycle % 3 == 2) return -1;
    const int32_t number = cycle - cycle / 3;
    return number < count ? number : -1;
}

#include "inputs.h"

extern "C" void run(const int32_t *cases, const int32_t *delays, int32_t count, int32_t latency, uint8_t *results) {
    VerilatedContext context;
    Vdut dut{&context};
    dut.rst = 0;
    for (int32_t cycle = 0; cycle < count + count / 2 + latency + 1; ++cycle) {
        dut.valid = 0;
        for (int32_t stage = 0; stage < latency; ++stage)
            if (case_of(cycle - stage, count) >= 0) dut.valid |= uint32_t(1) << stage;
        set_inputs(dut, cases, delays, count, cycle);
        dut.clk = 0;
        dut.eval();
        if (const int32_t number = case_of(cycle - latency, count); number >= 0) results[number] = dut.result;
        dut.clk = 1;
        dut.eval();
    }
    dut.final();
}
