// A board's SDRAM: its words, and every rule that its data sheet has for who talks to it. Times are in picoseconds, the
// clock's period among them, so nothing here is rounded as a controller rounds it.
//
// The chip takes a command in the middle of a cycle, and what it gives is there at the end of one: READ in cycle n puts
// its first beat at `data()` in cycle n + CAS latency.

#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

struct SdramRules {
    uint64_t banks, rows, columns;
    uint64_t rcd, rp, ras, ras_most, rc, rrd, rfc, wr, refresh, power_up, period;    // picoseconds
    uint64_t mrd, cas;                                                               // cycles
    uint64_t initial_refreshes, postponed;
    uint64_t clock;    // picoseconds of the clock that it gets
};

enum class SdramFault : uint32_t {
    none = 0,
    power_up = 1,        // a command before the power-up time
    start = 2,           // work before PRECHARGE, refreshes and mode
    open = 3,            // ACTIVATE of a bank, or REFRESH or mode, with a row open
    closed = 4,          // READ or WRITE without a row
    rcd = 5, rp = 6, ras = 7, ras_most = 8, rc = 9, rrd = 10, rfc = 11, wr = 12, mrd = 13,
    cut = 14,            // a burst cut short
    wrap = 15,           // a burst that does not begin at its own boundary
    bus = 16,            // both at the data pins, or no cycle between
    driven = 17,         // data pins driven without a WRITE, or not with one
    refresh = 18,        // refreshes too far behind
    mode = 19,           // a mode that is none, or of another latency
    masked = 20,         // data under a mask
    clock = 21,          // a clock too fast for the latency
};

class Sdram {
  public:
    explicit Sdram(const SdramRules &rules)
        : rules(rules), banks(rules.banks), cells(rules.banks * rules.rows * rules.columns) {
        if (rules.clock < rules.period) fail(SdramFault::clock);
    }

    // One cycle: what is at the pins. Gives the beat that the controller samples at its end.
    uint16_t cycle(uint32_t command, uint32_t bank, uint32_t address, bool masked, bool driven, uint16_t in) {
        now += rules.clock;
        ++cycles;
        if (command != 7) carry_out(command, banks.at(bank % rules.banks), bank % rules.banks, address);
        if (ready) watch();
        uint16_t out = 0xDEAD;    // nobody drives the pins
        const bool gives = !reads.empty() && reads.front().cycle == cycles;
        if (gives) {
            out = cells[reads.front().cell] ^ pattern;
            reads.pop_front();
            given = cycles;
        }
        const bool takes = writes_left > 0;
        if (driven != takes) fail(SdramFault::driven);
        if (driven && given && cycles <= given + 1) fail(SdramFault::bus);
        if ((takes || gives) && masked) fail(SdramFault::masked);
        if (takes) {
            cells[write_cell++] = in ^ pattern;
            --writes_left;
            writing->written = now;
        }
        return out;
    }

    // Bytes of the memory's addresses, an even number from an even one on, without the pins.
    void place(uint64_t address, const uint8_t *bytes, uint64_t count) {
        for (uint64_t i = 0; i < count; i += 2) cells.at((address + i) / 2) = uint16_t(bytes[i] | bytes[i + 1] << 8) ^ pattern;
    }

    SdramFault fault = SdramFault::none;
    uint64_t fault_cycle = 0, cycles = 0, refreshes = 0, activations = 0;

  private:
    static constexpr uint16_t pattern = 0x5A3C;    // of cells that nobody wrote

    struct Bank {
        bool open = false, used = false;
        uint32_t row = 0;
        uint64_t activated = 0, precharged = 0, written = 0, read_until = 0;    // read_until: a cycle
    };
    struct Beat { uint64_t cycle, cell; };

    void fail(SdramFault what) {
        if (fault != SdramFault::none) return;
        fault = what;
        fault_cycle = cycles;
    }

    void since(uint64_t then, uint64_t time, SdramFault what) {
        if (then && now - then < time) fail(what);
    }

    bool any_open() const {
        return std::any_of(banks.begin(), banks.end(), [](const Bank &bank) { return bank.open; });
    }

    void carry_out(uint32_t command, Bank &bank, uint32_t number, uint32_t address) {
        if (now < rules.power_up) fail(SdramFault::power_up);
        since(refreshed, rules.rfc, SdramFault::rfc);
        if (mode_set && cycles - mode_set < rules.mrd) fail(SdramFault::mrd);
        switch (command) {
        case 6: return activate(bank, address);
        case 5: return column(bank, number, address, false);
        case 1: return column(bank, number, address, true);
        case 2:
            for (Bank &one : banks)
                if ((address >> 10 & 1) || &one == &bank) precharge(one);
            precharged_all |= address >> 10 & 1;
            return;
        case 4:
            if (!precharged_all) fail(SdramFault::start);
            if (any_open()) fail(SdramFault::open);
            for (const Bank &one : banks) since(one.precharged, rules.rp, SdramFault::rp);
            refreshed = now;
            ++refreshes;
            if (ready) ++refreshes_since;
            refresh_times.push_back(now);
            if (refresh_times.size() > rules.rows) {
                if (now - refresh_times.front() > rules.refresh) fail(SdramFault::refresh);
                refresh_times.pop_front();
            }
            return;
        case 0:
            if (!precharged_all || refreshes < rules.initial_refreshes) fail(SdramFault::start);
            if (any_open()) fail(SdramFault::open);
            for (const Bank &one : banks) since(one.precharged, rules.rp, SdramFault::rp);
            burst = uint64_t(1) << (address & 7);
            if ((address & 7) > 3 || (address & ~uint32_t(0x77)) || (address >> 4 & 7) != rules.cas) fail(SdramFault::mode);
            mode_set = cycles;
            ready = true;
            ready_at = now;
            return;
        default: fail(SdramFault::start);
        }
    }

    void activate(Bank &bank, uint32_t row) {
        if (!ready) fail(SdramFault::start);
        if (bank.open) fail(SdramFault::open);
        since(bank.precharged, rules.rp, SdramFault::rp);
        since(bank.activated, rules.rc, SdramFault::rc);
        for (const Bank &other : banks) since(other.activated, rules.rrd, SdramFault::rrd);
        bank.open = true;
        bank.row = row % rules.rows;
        bank.activated = now;
        ++activations;
    }

    void column(Bank &bank, uint32_t number, uint32_t address, bool write) {
        if (!bank.open) return fail(SdramFault::closed);
        since(bank.activated, rules.rcd, SdramFault::rcd);
        if (address % burst || (address >> 10 & 1)) fail(SdramFault::wrap);
        if (writes_left || (!reads.empty() && !write && reads.back().cycle >= cycles + rules.cas)) fail(SdramFault::cut);
        if (write && !reads.empty()) fail(SdramFault::bus);
        const uint64_t cell = (bank.row * rules.banks + number) * rules.columns + address % rules.columns;
        if (write) {
            writes_left = burst;
            write_cell = cell;
            writing = &bank;
            return;
        }
        for (uint64_t beat = 0; beat < burst; ++beat) reads.push_back({cycles + rules.cas + beat, cell + beat});
        bank.read_until = cycles + burst;
    }

    void precharge(Bank &bank) {
        if (!bank.open) return;
        if ((writes_left && writing == &bank) || cycles < bank.read_until) fail(SdramFault::cut);
        since(bank.activated, rules.ras, SdramFault::ras);
        since(bank.written, rules.wr, SdramFault::wr);
        bank.open = false;
        bank.precharged = now;
    }

    // Refreshes may be postponed a little, not forgotten; nor may a row stay open for ever.
    void watch() {
        const uint64_t allowed = refreshes_since + rules.postponed + 1;
        if ((now - ready_at) / (rules.refresh / (rules.rows + rules.postponed + 1)) > allowed) fail(SdramFault::refresh);
        for (const Bank &bank : banks)
            if (bank.open && now - bank.activated > rules.ras_most) fail(SdramFault::ras_most);
    }

    SdramRules rules;
    std::vector<Bank> banks;
    std::vector<uint16_t> cells;
    std::deque<Beat> reads;
    std::deque<uint64_t> refresh_times;
    Bank *writing = nullptr;
    uint64_t now = 0, refreshed = 0, mode_set = 0, ready_at = 0, refreshes_since = 0, burst = 1;
    uint64_t writes_left = 0, write_cell = 0, given = 0;
    bool precharged_all = false, ready = false;
};

// The chip at the pins of a design, if it has them: call before each rising edge.
template <class Dut> void sdram_cycle(Dut &dut, Sdram &chip) {
    if constexpr (Dut::sdram)
        dut.sdram_dq_i().set(chip.cycle(dut.sdram_command().get(), dut.sdram_bank().get(), dut.sdram_address().get(),
                                        dut.sdram_masked().get(), dut.sdram_dq_oe().get(), dut.sdram_dq_o().get()));
}
