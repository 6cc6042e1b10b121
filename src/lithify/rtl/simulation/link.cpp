// The clock loop around a whole system on an FPGA: bytes in and out of its serial line, and nothing else.
// But for an SDRAM, where the system has the pins of one. "dut.h" is written by board.py for the design and the simulator at hand.

#include "dut.h"
#include "sdram_model.h"
#include <cstdint>
#include <deque>

namespace {

constexpr int power_up_cycles = 256;    // more than the system stays in reset

struct Board {
    Dut dut;
    Sdram chip;
    uint64_t divisor;    // cycles of a bit
    uint64_t now = 0;
    bool powered = false;
    std::deque<uint8_t> to_chip, from_chip;

    uint64_t sending = 0;    // bits of the frame on its way to the chip, the next one lowest; ends with a 1
    uint64_t send_timer = 0;
    uint64_t receiving = 0;  // bits of the frame that comes from it that are missing
    uint64_t receive_timer = 0;
    uint32_t received = 0;

    Board(uint64_t divisor, const SdramRules &rules) : chip(rules), divisor(divisor) {
        dut.rx().set(1);
        dut.locked().set(0);
        for (int i = 0; i < 8; ++i) edge();
        dut.locked().set(1);
        powered = true;
        for (int i = 0; i < power_up_cycles; ++i) edge();
    }

    void edge() {
        dut.fall();
        if (powered) sdram_cycle(dut, chip);
        dut.rise();
        ++now;
    }

    void cycle() {
        if (send_timer == 0) {
            if (sending > 1) {
                dut.rx().set(sending & 1);
                sending >>= 1;
                send_timer = divisor;
            } else if (!to_chip.empty()) {
                sending = uint64_t(3) << 9 | uint64_t(to_chip.front()) << 1;    // start, data, stop, end
                to_chip.pop_front();
                dut.rx().set(0);
                sending >>= 1;
                send_timer = divisor;
            }
        }
        if (send_timer) --send_timer;
        edge();
        const uint64_t line = dut.tx().get();
        if (receiving == 0) {
            if (!line) {
                receiving = 9;
                receive_timer = divisor + divisor / 2;
                received = 0;
            }
        } else if (--receive_timer == 0) {
            receive_timer = divisor;
            --receiving;
            if (receiving) received |= uint32_t(line) << (8 - receiving);
            else if (line) from_chip.push_back(uint8_t(received));
        }
    }

    bool busy() {
        return sending > 1 || send_timer || receiving || !to_chip.empty() || dut.linked().get() || dut.running().get();
    }
};

}    // namespace

#if defined(_WIN32)
#define API extern "C" __declspec(dllexport)
#else
#define API extern "C" __attribute__((visibility("default")))
#endif

API void *board_open(uint64_t divisor, const SdramRules *rules) { return new Board(divisor, *rules); }

API void board_close(void *handle) { delete static_cast<Board *>(handle); }

API void board_send(void *handle, const uint8_t *bytes, uint64_t count) {
    Board &board = *static_cast<Board *>(handle);
    board.to_chip.insert(board.to_chip.end(), bytes, bytes + count);
}

// Take at most `room` bytes that have come; returns how many.
API uint64_t board_receive(void *handle, uint8_t *bytes, uint64_t room) {
    Board &board = *static_cast<Board *>(handle);
    uint64_t count = 0;
    for (; count < room && !board.from_chip.empty(); board.from_chip.pop_front()) bytes[count++] = board.from_chip.front();
    return count;
}

// Run `cycles` cycles, fewer where nothing goes on any more; returns whether something does.
API int32_t board_run(void *handle, uint64_t cycles) {
    Board &board = *static_cast<Board *>(handle);
    for (uint64_t end = board.now + cycles; board.now < end; board.cycle())
        if (board.now % 16 == 0 && !board.busy()) return 0;
    return 1;
}

// Put bytes into the SDRAM, an even number from an even address on, without the line.
API void board_place(void *handle, uint64_t address, const uint8_t *bytes, uint64_t count) {
    static_cast<Board *>(handle)->chip.place(address, bytes, count);
}

// Which rule of the SDRAM was broken first, 0 where none was, and in which cycle of the chip.
API uint64_t board_fault(void *handle, uint64_t *cycle) {
    const Sdram &chip = static_cast<Board *>(handle)->chip;
    *cycle = chip.fault_cycle;
    return uint64_t(chip.fault);
}

API uint64_t board_cycles(void *handle) { return static_cast<Board *>(handle)->now; }
