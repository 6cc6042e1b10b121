// The vector unit with a scratchpad of a read latency of two cycles; notes its writes and when instructions start and end.

#include "Vdut.h"
#include "sizes.h"
#include <cstdlib>
#include <cstring>
#include <verilated.h>

extern "C" int64_t run(const uint8_t *memory, const uint8_t *fields, int64_t count, int64_t limit, uint16_t *addresses,
                       uint8_t *words, int64_t room, int64_t *starts, int64_t *retired) {
    VerilatedContext context;
    Vdut dut{&context};
    uint8_t data[2][WORD_BYTES] = {};
    int64_t started = 0, ended = 0, written = 0;
    dut.rst = 1;
    dut.start = 0;
    for (int i = 0; i < 4; ++i) {
        dut.clk = 0, dut.eval();
        dut.clk = 1, dut.eval();
    }
    dut.rst = 0;
    for (int64_t now = 0; now < limit && ended < count; ++now) {
        dut.start = started < count && started == ended;
        if (started < count) std::memcpy(&dut.fields, fields + started * FIELD_BYTES, FIELD_BYTES);
        std::memcpy(&dut.read_data, data[0], WORD_BYTES);
        dut.clk = 0;
        dut.eval();
        // The word of two cycles ago is shown; between words there is only noise.
        std::memcpy(data[0], data[1], WORD_BYTES);
        for (auto &byte : data[1]) byte = uint8_t(rand());
        if (dut.read_enable) std::memcpy(data[1], memory + size_t(dut.read_address) * WORD_BYTES, WORD_BYTES);
        if (dut.write_enable && written < room) {
            addresses[written] = dut.write_address;
            std::memcpy(words + written++ * WORD_BYTES, &dut.write_data, WORD_BYTES);
        }
        if (dut.start && dut.ready) starts[started++] = now;
        if (dut.retire) retired[ended++] = now;
        dut.clk = 1;
        dut.eval();
    }
    dut.final();
    return written;
}
