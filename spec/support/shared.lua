--- shared: the structures of shared memory, and processes that work on them together.

local ffi = require "ffi"
local process = require "spec.support.process"
local system = require "spec.support.system"

local shared = {}

shared.C = ffi.load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so")

local function declare(text)
  local declared, problem = pcall(ffi.cdef, text)
  if not declared and not problem:find("redefine", 1, true) then error(problem, 0) end
end

-- One by one, because another spec may have declared some of it.
for _, text in ipairs {
  "struct slice { const char *start; size_t length; };",
  "struct hash_key { uint64_t low, high; };",
  "struct segment { char *memory; size_t bytes; int fd; };",
  "struct name_table { void *shared; const struct hash_key *hash_key; };",
  "struct series { struct name_table names; uint64_t *values, *mine; size_t lane_words;"
    .. " uint32_t lanes, rows, words; };",
} do declare(text) end

ffi.cdef [[
  void hash_key_init(struct hash_key *);
  uint64_t hash_slice(const struct hash_key *, struct slice);
  uint64_t hash_pair(const struct hash_key *, struct slice, struct slice);

  bool segment_init(struct segment *, size_t bytes);
  bool segment_init_from_fd(struct segment *, int fd);
  void segment_clear(struct segment *);
  void *segment_allot(struct segment *, const char *name, uint32_t layout, size_t bytes);
  size_t segment_room(const struct segment *);
  const struct hash_key *segment_hash_key(const struct segment *);

  struct cell { uint64_t tag, word; };
  struct cell_table { void *shared; struct cell *cells; uint64_t groups; };
  struct cell_seen { struct cell *cell; uint64_t tag, word; };
  size_t cell_table_bytes(size_t);
  size_t cell_table_fit(size_t);
  void cell_table_init(struct cell_table *, void *memory, size_t cells);
  bool cell_table_find(const struct cell_table *, uint64_t tag, struct cell_seen *);
  bool cell_table_claim(const struct cell_table *, uint64_t tag, void *may_reuse,
                        const void *data, struct cell_seen *);
  bool cell_swap(struct cell_seen *, uint64_t word);
  bool cell_free(const struct cell_seen *);
  uint64_t cell_table_refused(const struct cell_table *);
  uint64_t cell_table_reused(const struct cell_table *);

  struct limiter { struct cell_table cells; const struct hash_key *hash_key; };
  struct limiter_take { uint64_t key, now_ns, interval_ns, capacity_ns, cost; };
  struct limiter_verdict { uint64_t remaining, retry_after_ns, reset_ns; };
  size_t limiter_fit(size_t);
  bool limiter_init(struct limiter *, struct segment *, const char *, size_t places);
  bool limiter_rate(uint64_t limit, uint64_t window_ns, uint64_t burst, struct limiter_take *);
  uint64_t limiter_key(const struct limiter *, struct slice name, struct slice scope);
  int limiter_take(const struct limiter *, const struct limiter_take *, struct limiter_verdict *);
  uint64_t limiter_full(const struct limiter *);
  uint64_t limiter_reused(const struct limiter *);

  struct counter_limits { uint32_t lanes, slots; size_t text_bytes; };
  struct counter_table { struct series series; };
  struct counter_view { struct slice name, labels; int kind; uint32_t slot; int64_t value; };
  bool counter_table_init(struct counter_table *, struct segment *, const char *,
                          const struct counter_limits *);
  void counter_table_attach(struct counter_table *, uint32_t lane);
  uint32_t counter_slot(const struct counter_table *, int kind, struct slice, struct slice);
  void counter_add(const struct counter_table *, uint32_t slot, uint64_t amount);
  void counter_gauge_add(const struct counter_table *, uint32_t slot, int64_t amount);
  void counter_gauge_set(const struct counter_table *, uint32_t slot, int64_t value);
  int64_t counter_value(const struct counter_table *, uint32_t slot);
  bool counter_next(const struct counter_table *, size_t *cursor, struct counter_view *);
  void counter_lane_reset_gauges(const struct counter_table *, uint32_t lane);
  uint32_t counter_count(const struct counter_table *);
  uint64_t counter_dropped(const struct counter_table *);

  struct histogram_limits { uint32_t lanes, slots; size_t text_bytes; };
  struct histogram_table { struct series series; };
  struct histogram_view { struct slice name, labels; uint32_t slot; };
  struct histogram_sum { uint64_t buckets[23], count, total_ns; };
  size_t histogram_table_bytes(const struct histogram_limits *);
  bool histogram_table_init(struct histogram_table *, struct segment *, const char *,
                            const struct histogram_limits *);
  void histogram_table_attach(struct histogram_table *, uint32_t lane);
  uint32_t histogram_slot(const struct histogram_table *, struct slice, struct slice);
  void histogram_observe(const struct histogram_table *, uint32_t slot, uint64_t duration_ns);
  uint64_t histogram_bound_ns(uint32_t bucket);
  void histogram_read(const struct histogram_table *, uint32_t slot, struct histogram_sum *);
  bool histogram_next(const struct histogram_table *, size_t *cursor, struct histogram_view *);
  uint32_t histogram_count(const struct histogram_table *);
  uint64_t histogram_dropped(const struct histogram_table *);

  int spec_dup(int) __asm__("dup");
]]

local C = ffi.C

---@param text string must stay alive while the slice is used
function shared.slice(text)
  return ffi.new("struct slice", text, #text)
end

---@return string
function shared.text(slice)
  return ffi.string(slice.start, slice.length)
end

--- A segment, given back when `shared.finish` is called.
---@param bytes integer
function shared.segment(bytes)
  local segment = ffi.new "struct segment"
  assert(shared.C.segment_init(segment, bytes), system.last_error())
  shared.open = shared.open or {}
  table.insert(shared.open, segment)
  return segment
end

--- For `after_each`: gives back all segments.
function shared.finish()
  for _, segment in ipairs(shared.open or {}) do shared.C.segment_clear(segment) end
  shared.open = nil
end

local status = ffi.new "int[1]"

local function wait(pid)
  assert(C.spec_waitpid(pid, status, 0x40000000) == pid, system.last_error()) -- __WALL
  return status[0]
end

-- What `assert` raises under busted is a table, which must not reach the runner twice.
local function in_child(body, number)
  return function()
    local done, problem = pcall(body, number)
    if not done then
      io.stderr:write(tostring(type(problem) == "table" and problem.message or problem), "\n")
    end
    C.spec_exit(done and 0 or 70)
  end
end

--- Runs `body(1)` to `body(count)` in processes of their own, at the same time.
---@param count integer
---@param body fun(number: integer)
function shared.crowd(count, body)
  local crowd, failed = {}, 0
  for i = 1, count do crowd[i] = process.fork(in_child(body, i)) end
  for i = 1, count do
    if wait(crowd[i].pid) ~= 0 then failed = failed + 1 end
  end
  assert(failed == 0, failed .. " processes of the crowd failed")
end

--- Runs `body(1)` and `body(2)` at the same time, and kills both wherever they are after a
--- fraction of a millisecond; `kills` processes in all.
---@param kills integer
---@param body fun(number: integer) does not return
---@param check? fun() after each pair
function shared.massacre(kills, body, check)
  for round = 1, kills / 2 do
    local one = process.fork(in_child(body, 1))
    local other = process.fork(in_child(body, 2))
    local deadline = system.now() + 0.0003 + round % 17 * 0.00005
    while system.now() < deadline do end -- luacheck: ignore 542
    for _, victim in ipairs { one, other } do
      system.kill(victim.pid, system.SIGKILL)
      assert(wait(victim.pid) == system.SIGKILL, "a victim ended before it was killed")
    end
    if check then check() end
  end
end

return shared
