// Moves the cells of a placed ECP5 design until its paths are inside a period, by simulated annealing.
// The problem and the meaning of its numbers: placed.py. Two runs with the same words give the same places.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

namespace {

enum Kind { LOGIC, REGISTER, WRITER, MEMORY, PRODUCT, FIXED };  // of cells
enum Class { PLACE, SLICE, TILES, STAYS };                      // of units: what is exchanged when they move
enum Wire { ROUTED, INSIDE, BESIDE };                           // of pins: a wire, none, the one to the register beside

const int SITES = 17, REGISTERS = 8, WRITERS = 16;  // of a tile: 8 look-up tables, 8 registers, a writer of memory
const int LONG = 32;                                // pins of a net whose length is no longer counted
const double PER_NS = 10;                           // tiles of wire that a ns on a path at the period is worth
const double STEEPNESS = 0.5, HEAVIEST = 40;        // ns of lateness that weigh e times as much, and the most
const double HOT = 0.6, COLD = 0.02;                // temperatures in tiles, the last relative to the first
const int PER_UNIT = 14;                            // proposed moves between two looks at all paths

struct Cell { int x, y, site, kind, unit, reset, enable, middle; };
struct Pin { int net, cell, wire; };
struct Arc { int pin, out; double ns; };  // out: a net, -1 where the path ends

std::vector<Cell> cells;
std::vector<int> classes, driver, order, ends;
std::vector<std::vector<int>> members, pins_of_cell, nets_of_cell, pins_of_net, arcs_into, arcs_from;
std::vector<double> starts, knots, late;  // knots: tenths of tiles and ns in turn
std::vector<Pin> pins;
std::vector<Arc> arcs;
std::vector<double> arrival, required, weight, delay, length;
double period, beside_ns, product_ns, temperature = HOT;
std::vector<double> wire_ns;

uint64_t state;
uint32_t draw() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return uint32_t(state >> 32);
}
int below(int n) { return int(uint64_t(draw()) * uint64_t(n) >> 32); }

double wire(const Pin &pin) {
  if (pin.wire == INSIDE) return 0;
  if (pin.wire == BESIDE) return beside_ns;
  const Cell &from = cells[driver[pin.net]], &to = cells[pin.cell];
  size_t tenths = size_t(9 * std::abs(from.x - to.x) + 11 * std::abs(from.y - to.y));  // a row is farther than a column
  return wire_ns[std::min(tenths, wire_ns.size() - 1)] + (to.kind == PRODUCT ? product_ns : 0);
}

double span(int net) {
  if (int(pins_of_net[net].size()) > LONG) return 0;
  const Cell &from = cells[driver[net]];
  int left = from.x, right = from.x, low = from.y, high = from.y;
  for (int pin : pins_of_net[net]) {
    const Cell &to = cells[pins[pin].cell];
    left = std::min(left, to.x), right = std::max(right, to.x);
    low = std::min(low, to.y), high = std::max(high, to.y);
  }
  return right - left + high - low;
}

// The longest path, in ns; the weight of every pin follows how late the latest path through it is.
double look() {
  const double never = std::numeric_limits<double>::max();
  for (size_t i = 0; i < pins.size(); i++) delay[i] = wire(pins[i]);
  for (int net : order) {
    arrival[net] = starts[net];
    for (int i : arcs_into[net]) {
      double before = arrival[pins[arcs[i].pin].net];
      if (before >= 0) arrival[net] = std::max(arrival[net], before + delay[arcs[i].pin] + arcs[i].ns);
    }
  }
  double worst = 0;
  std::fill(required.begin(), required.end(), never);
  for (int i : ends) {
    int net = pins[arcs[i].pin].net;
    if (arrival[net] >= 0) worst = std::max(worst, arrival[net] + delay[arcs[i].pin] + arcs[i].ns);
    required[net] = std::min(required[net], period - delay[arcs[i].pin] - arcs[i].ns);
  }
  for (auto net = order.rbegin(); net != order.rend(); ++net)
    for (int i : arcs_from[*net])
      if (arcs[i].out >= 0 && required[arcs[i].out] < never)
        required[*net] = std::min(required[*net], required[arcs[i].out] - delay[arcs[i].pin] - arcs[i].ns);
  std::fill(late.begin(), late.end(), 0.0);
  for (const Arc &arc : arcs) {
    int net = pins[arc.pin].net;
    double until = arc.out < 0 ? period : required[arc.out];
    if (arrival[net] < 0 || until == never) continue;
    double over = arrival[net] + delay[arc.pin] + arc.ns - until;
    late[arc.pin] = std::max(late[arc.pin], std::min(std::exp(over / STEEPNESS), HEAVIEST));
  }
  double kept = temperature > 0.05 * HOT ? 0.6 : 0.92;  // weights settle when the places do
  for (size_t i = 0; i < pins.size(); i++) weight[i] = kept * weight[i] + (1 - kept) * late[i];
  for (size_t net = 0; net < length.size(); net++) length[net] = span(int(net));
  return worst;
}

// Tiles with logic, and what is in them.
int left, right, low, high, across;
std::vector<char> usable;
std::vector<int> sites;

int tile(int x, int y) { return (y - low) * across + x - left; }

// Registers of a tile share their reset, those of a slice their enable; the middle input of a place has one use.
bool legal(int at) {
  const int *here = &sites[size_t(at) * SITES];
  int reset = -1;
  for (int i = REGISTERS; i < WRITERS; i++) {
    if (here[i] < 0) continue;
    const Cell &cell = cells[here[i]];
    if (reset < 0) reset = cell.reset;
    if (reset != cell.reset) return false;
    if (cell.middle && here[i - REGISTERS] >= 0 && cells[here[i - REGISTERS]].middle) return false;
    if (i % 2 && here[i - 1] >= 0 && cells[here[i - 1]].enable != cell.enable) return false;
  }
  return true;
}

struct Move { int cell, x, y, site, old_x, old_y, old_site; };
std::vector<Move> moves;

void take(int from, int site, int to, int other) {
  int cell = sites[size_t(from) * SITES + site];
  if (cell < 0) return;
  const Cell &c = cells[cell];
  moves.push_back({cell, left + to % across, low + to / across, other, c.x, c.y, c.site});
}
void exchange(int from, int site, int to, int other) {
  take(from, site, to, other);
  take(to, other, from, site);
}

// Whether all units of the proposed moves move whole, and are of a class that may.
bool whole(int widest) {
  static std::vector<int> seen, count;
  static int now = 0;
  seen.resize(members.size()), count.resize(members.size());
  now++;
  for (const Move &move : moves) {
    int unit = cells[move.cell].unit;
    if (classes[unit] > widest) return false;
    if (seen[unit] != now) seen[unit] = now, count[unit] = 0;
    count[unit]++;
  }
  for (const Move &move : moves) {
    int unit = cells[move.cell].unit;
    if (count[unit] != int(members[unit].size())) return false;
  }
  return true;
}

void apply(bool forth) {
  for (const Move &m : moves)
    if (cells[m.cell].kind <= WRITER) {
      const Cell &c = cells[m.cell];
      sites[size_t(tile(c.x, c.y)) * SITES + c.site] = -1;
    }
  for (const Move &m : moves) {
    Cell &c = cells[m.cell];
    c.x = forth ? m.x : m.old_x, c.y = forth ? m.y : m.old_y, c.site = forth ? m.site : m.old_site;
    if (c.kind <= WRITER) sites[size_t(tile(c.x, c.y)) * SITES + c.site] = m.cell;
  }
}

// Carries the moves out if that is legal (in two tiles, -1 for none) and shortens or, by chance, lengthens little.
void attempt(int first, int second) {
  static std::vector<int> pin_seen, net_seen, changed_pins, changed_nets;
  static std::vector<double> new_delay, new_length;
  static int now = 0;
  pin_seen.resize(pins.size()), net_seen.resize(length.size());
  apply(true);
  if ((first >= 0 && !legal(first)) || (second >= 0 && !legal(second))) return apply(false);
  now++;
  changed_pins.clear(), changed_nets.clear(), new_delay.clear(), new_length.clear();
  for (const Move &move : moves) {
    for (int pin : pins_of_cell[move.cell])
      if (pin_seen[pin] != now) pin_seen[pin] = now, changed_pins.push_back(pin);
    for (int net : nets_of_cell[move.cell])
      if (net_seen[net] != now) net_seen[net] = now, changed_nets.push_back(net);
  }
  double cost = 0;
  for (int pin : changed_pins) {
    new_delay.push_back(wire(pins[pin]));
    cost += PER_NS * weight[pin] * (new_delay.back() - delay[pin]);
  }
  for (int net : changed_nets) {
    new_length.push_back(span(net));
    cost += new_length.back() - length[net];
  }
  if (cost > 0 && (temperature <= 0 || draw() / 4294967296.0 >= std::exp(-cost / temperature))) return apply(false);
  for (size_t i = 0; i < changed_pins.size(); i++) delay[changed_pins[i]] = new_delay[i];
  for (size_t i = 0; i < changed_nets.size(); i++) length[changed_nets[i]] = new_length[i];
}

void swap_blocks(const std::vector<int> &blocks) {
  if (blocks.size() < 2) return;
  int one = blocks[below(int(blocks.size()))], other = blocks[below(int(blocks.size()))];
  if (one == other) return;
  const Cell &a = cells[one], &b = cells[other];
  moves.push_back({one, b.x, b.y, b.site, a.x, a.y, a.site});
  moves.push_back({other, a.x, a.y, a.site, b.x, b.y, b.site});
  attempt(-1, -1);
}

// One unit to a place nearby, or near a cell that it is connected to, preferably by a late path.
void move_unit(int reach) {
  int unit = below(int(members.size())), width = classes[unit];
  if (width == STAYS) return;
  const Cell cell = cells[members[unit][0]];
  int x, y;
  if (draw() & 1) {
    x = cell.x + below(2 * reach + 1) - reach, y = cell.y + below(2 * reach + 1) - reach;
  } else {
    const std::vector<int> &mine = pins_of_cell[members[unit][below(int(members[unit].size()))]];
    if (mine.empty()) return;
    int pin = mine[below(int(mine.size()))];
    for (int i = 0; i < 2; i++) {
      int also = mine[below(int(mine.size()))];
      if (weight[also] > weight[pin]) pin = also;
    }
    int far = cells[pins[pin].cell].unit == unit ? driver[pins[pin].net] : pins[pin].cell;
    x = cells[far].x + below(5) - 2, y = cells[far].y + below(5) - 2;
  }
  if (x < left || x > right || y < low || y > high) return;
  int from = tile(cell.x, cell.y), to = tile(x, y);
  if (!usable[to]) return;
  if (width == PLACE) {
    int place = cell.site % REGISTERS, other = below(REGISTERS);
    if (from == to && place == other) return;
    if (members[unit].size() == 1 && below(4)) {
      exchange(from, cell.site, to, cell.site - place + other);
    } else {
      exchange(from, place, to, other);
      exchange(from, REGISTERS + place, to, REGISTERS + other);
    }
    if (whole(PLACE)) attempt(from, to);
  } else if (width == SLICE) {
    int slice = cell.site % REGISTERS / 2 * 2, other = below(REGISTERS / 2) * 2;
    if (from == to && slice == other) return;
    for (int i = 0; i < 2; i++) {
      exchange(from, slice + i, to, other + i);
      exchange(from, REGISTERS + slice + i, to, REGISTERS + other + i);
    }
    if (whole(SLICE)) attempt(from, to);
  } else {
    int first = cell.x, last = cell.x;
    for (int member : members[unit]) first = std::min(first, cells[member].x), last = std::max(last, cells[member].x);
    int target = x - (cell.x - first), tiles = last - first + 1;
    if (target < left || target + tiles - 1 > right || (y == cell.y && std::abs(target - first) < tiles)) return;
    for (int i = 0; i < tiles; i++) {
      int one = tile(first + i, cell.y), other = tile(target + i, y);
      if (!usable[one] || !usable[other]) return;
      for (int site = 0; site < SITES; site++) exchange(one, site, other, site);
    }
    if (whole(TILES)) attempt(-1, -1);
  }
}

int number(FILE *file) {
  int value = 0;
  if (std::fscanf(file, "%d", &value) != 1) std::exit(2);
  return value;
}
double real(FILE *file) {
  double value = 0;
  if (std::fscanf(file, "%lf", &value) != 1) std::exit(2);
  return value;
}

void read(const char *name) {
  FILE *file = std::fopen(name, "r");
  if (!file) std::exit(2);
  period = real(file), beside_ns = real(file), product_ns = real(file);
  std::vector<std::pair<double, double>> table(size_t(number(file)));
  for (auto &knot : table) knot.first = real(file), knot.second = real(file);
  for (size_t i = 0; i + 1 < table.size(); i++)
    while (double(wire_ns.size()) < 10 * table[i + 1].first) {
      double share = (double(wire_ns.size()) / 10 - table[i].first) / (table[i + 1].first - table[i].first);
      wire_ns.push_back(table[i].second + share * (table[i + 1].second - table[i].second));
    }
  cells.resize(size_t(number(file)));
  for (Cell &c : cells)
    for (int *field : {&c.x, &c.y, &c.site, &c.kind, &c.unit, &c.reset, &c.enable, &c.middle}) *field = number(file);
  classes.resize(size_t(number(file)));
  for (int &width : classes) width = number(file);
  driver.resize(size_t(number(file)));
  starts.resize(driver.size());
  for (size_t i = 0; i < driver.size(); i++) driver[i] = number(file), starts[i] = real(file);
  pins.resize(size_t(number(file)));
  for (Pin &pin : pins) pin.net = number(file), pin.cell = number(file), pin.wire = number(file);
  arcs.resize(size_t(number(file)));
  for (Arc &arc : arcs) arc.pin = number(file), arc.out = number(file), arc.ns = real(file);
  std::fclose(file);
}

void connect() {
  size_t nets = driver.size();
  members.resize(classes.size());
  for (size_t i = 0; i < cells.size(); i++)
    if (cells[i].unit >= 0) members[size_t(cells[i].unit)].push_back(int(i));
  pins_of_cell.resize(cells.size()), nets_of_cell.resize(cells.size());
  pins_of_net.resize(nets), arcs_into.resize(nets), arcs_from.resize(nets);
  for (size_t i = 0; i < pins.size(); i++) {
    int source = driver[pins[i].net];
    pins_of_cell[pins[i].cell].push_back(int(i));
    if (source != pins[i].cell) pins_of_cell[source].push_back(int(i));
    pins_of_net[pins[i].net].push_back(int(i));
  }
  for (size_t net = 0; net < nets; net++) {
    if (int(pins_of_net[net].size()) > LONG) continue;
    nets_of_cell[driver[net]].push_back(int(net));
    for (int pin : pins_of_net[net]) nets_of_cell[pins[pin].cell].push_back(int(net));
  }
  for (auto &list : nets_of_cell) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  std::vector<int> before(nets, 0);
  for (size_t i = 0; i < arcs.size(); i++) {
    arcs_from[pins[arcs[i].pin].net].push_back(int(i));
    if (arcs[i].out < 0) {
      ends.push_back(int(i));
    } else {
      arcs_into[arcs[i].out].push_back(int(i));
      before[arcs[i].out]++;
    }
  }
  for (size_t net = 0; net < nets; net++)
    if (!before[net]) order.push_back(int(net));
  for (size_t i = 0; i < order.size(); i++)
    for (int arc : arcs_from[order[i]])
      if (arcs[arc].out >= 0 && --before[arcs[arc].out] == 0) order.push_back(arcs[arc].out);
  if (order.size() != nets) std::exit(3);  // a loop
  arrival.assign(nets, -1), required.assign(nets, 0), length.assign(nets, 0);
  weight.assign(pins.size(), 0), delay.assign(pins.size(), 0), late.assign(pins.size(), 0);
}

// The tiles that may be used: those of rows and columns in which nextpnr has placed logic.
bool survey() {
  left = low = std::numeric_limits<int>::max(), right = high = 0;
  for (const Cell &c : cells)
    if (c.kind <= WRITER)
      left = std::min(left, c.x), right = std::max(right, c.x), low = std::min(low, c.y), high = std::max(high, c.y);
  across = right - left + 1;
  int tiles = across * (high - low + 1);
  std::vector<char> columns(size_t(right) + 1), rows(size_t(high) + 1);
  for (const Cell &c : cells)
    if (c.kind == LOGIC) columns[c.x] = rows[c.y] = 1;
  sites.assign(size_t(tiles) * SITES, -1);
  for (int i = 0; i < tiles; i++) usable.push_back(columns[left + i % across] && rows[low + i / across]);
  for (size_t i = 0; i < cells.size(); i++)
    if (cells[i].kind <= WRITER) sites[size_t(tile(cells[i].x, cells[i].y)) * SITES + cells[i].site] = int(i);
  for (int i = 0; i < tiles; i++)
    if (!legal(i)) return false;
  return true;
}

}  // namespace

// anneal PROBLEM PLACES LOOKS SEED: writes the places, and prints the longest path in ns before and after.
int main(int count, char **words) {
  if (count != 5) return 2;
  read(words[1]);
  int looks = std::atoi(words[3]);
  state = 88172645463325252ULL + uint64_t(std::atoll(words[4])) * 2654435761ULL;
  connect();
  if (!survey()) return 4;  // rules that the placement does not keep
  std::vector<int> blocks[2];
  for (size_t i = 0; i < cells.size(); i++)
    if (cells[i].kind == MEMORY || cells[i].kind == PRODUCT) blocks[cells[i].kind == PRODUCT].push_back(int(i));
  double first = look(), best = first;
  std::vector<Cell> places = cells;
  for (int turn = 0; turn < looks && best > period; turn++) {
    double done = double(turn) / looks;
    temperature = done < 0.9 ? HOT * std::pow(COLD, done) : 0;
    int reach = std::max(2, int(std::max(across, high - low) / 4 * std::pow(1 - done, 1.3)));
    for (int i = 0; i < PER_UNIT * int(members.size()); i++) {
      moves.clear();
      int kind = below(1000);
      if (kind < 3)
        swap_blocks(blocks[kind % 2]);
      else
        move_unit(reach);
    }
    double worst = look();
    if (worst < best) best = worst, places = cells;
  }
  FILE *file = std::fopen(words[2], "w");
  if (!file) return 2;
  for (const Cell &c : places) std::fprintf(file, "%d %d %d\n", c.x, c.y, c.site);
  std::fclose(file);
  std::printf("%.3f %.3f\n", first, best);
  return 0;
}
