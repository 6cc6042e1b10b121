// The compute unit between a queue of instructions and a scratchpad with a read latency of two cycles.
// An instruction is offered from cycle `earliest` on. Notes all results, which do
// not go back to the scratchpad, and when instructions start and retire.

#include "Vdut.h"
#include "sizes.h"
#include <cstdlib>
#include <cstring>
#include <verilated.h>

struct Trace {
    int64_t results, starts, retirements, active, cycles;
};

struct Read {
    uint8_t data[2][WORD_BYTES];

    // Shows the word of two cycles ago and remembers the one asked for now; between words there is only noise.
    void cycle(bool enable, uint32_t address, const uint8_t *memory) {
        std::memcpy(data[0], data[1], WORD_BYTES);
        for (auto &byte : data[1]) byte = uint8_t(rand());
        if (enable) std::memcpy(data[1], memory + size_t(address) * WORD_BYTES, WORD_BYTES);
    }
};

extern "C" void run(const uint8_t *memory, const uint8_t *instructions, const int64_t *earliest, int64_t count,
                    int64_t limit, uint16_t *addresses, uint8_t *words, int64_t *write_cycles, int64_t result_room,
                    int64_t *starts, int64_t *retired, uint8_t *signals, Trace *trace) {
    VerilatedContext context;
    Vdut dut{&context};
    Read activations[ACTIVATION_PORTS] = {}, weights[WEIGHT_PORTS] = {}, residual{};
    *trace = {};
    dut.rst = 1;
    dut.instruction_valid = 0;
    for (int i = 0; i < 4; ++i) {
        dut.clk = 0, dut.eval();
        dut.clk = 1, dut.eval();
    }
    dut.rst = 0;
    int64_t now = 0;
    for (; now < limit && trace->retirements < count; ++now) {
        const int64_t next = trace->starts;
        dut.instruction_valid = next < count && now >= earliest[next];
        if (next < count) std::memcpy(&dut.instruction_fields, instructions + next * 96, FIELD_BYTES);
        std::memcpy(&dut.activations_data, activations[0].data[0], WORD_BYTES);
#if ACTIVATION_PORTS > 1
        std::memcpy(&dut.activations_1_data, activations[1].data[0], WORD_BYTES);
#endif
#if ACTIVATION_PORTS > 2
        std::memcpy(&dut.activations_2_data, activations[2].data[0], WORD_BYTES);
#endif
        std::memcpy(&dut.weights_data, weights[0].data[0], WORD_BYTES);
#if WEIGHT_PORTS > 1
        std::memcpy(&dut.weights_1_data, weights[1].data[0], WORD_BYTES);
#endif
        std::memcpy(&dut.residual_data, residual.data[0], WORD_BYTES);
        dut.clk = 0;
        dut.eval();
        activations[0].cycle(dut.activations_enable, dut.activations_address, memory);
#if ACTIVATION_PORTS > 1
        activations[1].cycle(dut.activations_1_enable, dut.activations_1_address, memory);
#endif
#if ACTIVATION_PORTS > 2
        activations[2].cycle(dut.activations_2_enable, dut.activations_2_address, memory);
#endif
        weights[0].cycle(dut.weights_enable, dut.weights_address, memory);
#if WEIGHT_PORTS > 1
        weights[1].cycle(dut.weights_1_enable, dut.weights_1_address, memory);
#endif
        residual.cycle(dut.residual_enable, dut.residual_address, memory);
        if (dut.results_enable && trace->results < result_room) {
            addresses[trace->results] = dut.results_address;
            std::memcpy(words + trace->results * WORD_BYTES, &dut.results_data, WORD_BYTES);
            write_cycles[trace->results++] = now;
        }
        if (dut.instruction_valid && dut.instruction_ready) starts[trace->starts++] = now;
        if (dut.retirement_retire) {
            retired[trace->retirements] = now;
            signals[trace->retirements++] = dut.retirement_signal;
        }
        trace->active += dut.array_active;
        dut.clk = 1;
        dut.eval();
    }
    trace->cycles = now;
    dut.final();
}
