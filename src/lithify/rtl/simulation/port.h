// One port of the design: a number of bits in memory, least significant byte first (hosts are little-endian).

#pragma once
#include <cstdint>
#include <cstring>

template <unsigned BITS> struct Port {
    static constexpr unsigned bytes = (BITS + 7) / 8;
    void *at;

    uint64_t get() const {
        static_assert(BITS <= 64, "wide ports are copied, not read as a number");
        uint64_t value = 0;
        std::memcpy(&value, at, bytes);
        return value;
    }
    void set(uint64_t value) {
        static_assert(BITS <= 64, "wide ports are copied, not set to a number");
        std::memcpy(at, &value, bytes);
    }
    void load(const uint8_t *from) { std::memcpy(at, from, bytes); }
    void save(uint8_t *to) const { std::memcpy(to, at, bytes); }
};
