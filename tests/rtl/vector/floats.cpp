// Feeds a block of float32 arithmetic: `columns` 32-bit inputs a case, two cases in three cycles; in the third there is
// nothing valid, only inputs that must not matter. The result is read `latency` cycles after its case.

#include "Vdut.h"
#include "inputs.h"
#include <verilated.h>

extern "C" void run(const uint32_t *cases, int32_t columns, int32_t count, int32_t latency, uint32_t *results) {
    VerilatedContext context;
    Vdut dut{&context};
    dut.rst = 0;
    for (int32_t cycle = 0, given = 0, taken = 0; taken < count; ++cycle) {
        dut.valid = cycle % 3 != 2 && given < count;
        set_inputs(dut, cases + int64_t(dut.valid ? given++ : cycle * 7 % count) * columns);
        dut.clk = 0;
        dut.eval();
        if (cycle >= latency && (cycle - latency) % 3 != 2) results[taken++] = dut.result;
        dut.clk = 1;
        dut.eval();
    }
    dut.final();
}
