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
  "struct series { void *shared; struct name_table names; uint64_t *values, *mine;"
    .. " size_t lane_words; uint32_t lanes, rows, words; };",
} do declare(text) end

ffi.cdef [[
  void hash_key_init(struct hash_key *);
  uint64_t hash_slice(const struct hash_key *, struct slice);
  uint64_t hash_pair(const struct hash_key *, struct slice, struct slice);
  struct hash_wide { uint64_t low, high; };
  struct hash_wide hash_pair_wide(const struct hash_key *, struct slice, struct slice);
  struct hash_prefix { uint64_t v0, v1, v2, v3; };
  struct hash_prefix hash_prefix_of(const struct hash_key *, struct slice);
  uint64_t hash_after(const struct hash_prefix *, struct slice);

  size_t answer_times_bytes(void);
  size_t breakers_bytes(void);
  size_t gates_bytes(uint32_t lanes);
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
  void limiter_give(const struct limiter *, const struct limiter_take *);
  struct limiter_window {
    uint64_t key, now_ns; int kind; uint64_t start_s, end_s, limit, cost;
    bool may_exceed, must_exist;
  };
  bool limiter_window_is_sane(const struct limiter_window *);
  int limiter_window_take(const struct limiter *, const struct limiter_window *,
                          struct limiter_verdict *);
  void limiter_window_give(const struct limiter *, const struct limiter_window *);
  bool limiter_window_begin(const struct limiter *, const struct limiter_window *, uint64_t used);
  bool limiter_window_used(const struct limiter *, const struct limiter_window *, uint64_t *used,
    uint64_t *end_s);
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

  struct page_log {
    uint64_t *states, *used; char *memory; uint32_t pages, page_bytes, reserve, lane, open, finish;
  };
  size_t page_log_bytes(uint32_t pages, uint32_t page_bytes);
  void page_log_init(struct page_log *, void *memory, uint32_t pages, uint32_t page_bytes);
  void page_log_attach(struct page_log *, uint32_t lane);
  bool page_log_append(struct page_log *, size_t bytes, bool may_use_reserve, uint64_t *spot);
  void page_log_commit(struct page_log *);
  void page_log_take_back(struct page_log *, uint64_t spot, size_t bytes);
  void page_log_release(const struct page_log *, uint64_t spot, size_t bytes);
  char *page_log_at(const struct page_log *, uint64_t spot);
  size_t page_log_rest(const struct page_log *, uint64_t spot);
  uint64_t page_log_live(const struct page_log *);
  uint32_t page_log_emptiest(const struct page_log *, size_t live_max);
  bool page_log_clean_start(const struct page_log *, uint32_t page);
  bool page_log_clean_spot(const struct page_log *, uint32_t page, size_t offset, uint64_t *spot);
  void page_log_clean_end(const struct page_log *, uint32_t page, bool is_empty);

  struct dict {
    void *shared; struct cell_table cells; struct page_log log; const struct hash_key *hash_key;
    char *copy; size_t value_bytes_max;
  };
  struct dict_value { int kind; struct slice string; int64_t integer; uint64_t expires_ns; };
  bool dict_init(struct dict *, struct segment *, const char *, size_t bytes);
  void dict_clear(struct dict *);
  void dict_attach(struct dict *, uint32_t lane);
  int dict_get(const struct dict *, struct slice key, uint64_t now_ns, struct dict_value *);
  int dict_set(struct dict *, struct slice key, uint64_t now_ns, const struct dict_value *);
  int dict_add(struct dict *, struct slice key, uint64_t now_ns, const struct dict_value *);
  int dict_increment(struct dict *, struct slice key, uint64_t now_ns, struct dict_value *);
  int dict_delete(struct dict *, struct slice key, uint64_t now_ns);
  size_t dict_value_bytes_max(const struct dict *);
  uint64_t dict_bytes_used(const struct dict *);
  uint64_t dict_refused(const struct dict *);

  size_t worker_board_bytes(uint32_t lanes);
  size_t plugin_accounts_bytes(uint32_t lanes);
  size_t slots_bytes(uint32_t lanes);
  struct object_store_shape { size_t bytes; uint32_t page_bytes, lanes; };
  size_t object_store_bytes(const struct object_store_shape *);
  size_t values_region_bytes(size_t bytes, uint32_t lanes);
  size_t target_board_bytes(uint32_t lanes);

  struct shared_options {
    unsigned workers;
    size_t counters_bytes, limits_bytes, dict_bytes, value_bytes, object_bytes;
  };
  struct shared {
    struct segment segment; struct counter_table counters; struct histogram_table histograms;
    struct limiter limiter; struct dict dict; struct { uint64_t *words; } evicted;
    struct { void *page; char *copy; } notice; uint32_t loop_turns;
    unsigned side;
    struct { void *places; uint32_t lanes; } board; void *place;
    struct { struct series plugins, pairs; } accounts;
  };
  struct shared *shared_create(const struct shared_options *);
  void shared_destroy(struct shared **);
  void shared_attach(struct shared *, unsigned worker);
  void shared_forget_worker(struct shared *, unsigned worker);
  struct shared *shared_adopt(int fd, const struct shared_options *, unsigned side,
                              const char **why);
  void shared_forget_other_side(struct shared *);
  void *shared_place(const struct shared *, unsigned worker);
  void shared_observe_turn(struct shared *, double seconds);

  int spec_dup(int) __asm__("dup");
  int spec_usleep(unsigned) __asm__("usleep");
  int spec_sched_yield(void) __asm__("sched_yield");
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

--- Runs `body(1, round)` and `body(2, round)` at the same moment, again and again.
---@param meeting ffi.cdata* words of shared memory, all zero
---@param prepare fun(round: integer) before each round, while nobody runs
---@param body fun(number: integer, round: integer)
---@param check fun(round: integer) after each round, likewise
function shared.duel(meeting, seconds, prepare, body, check)
  local arrived, done = meeting, meeting + 8
  local function await(word, value)
    while word[0] < value do C.spec_sched_yield() end
  end
  local deadline = system.now() + seconds
  local other = process.fork(in_child(function()
    for round = 1, 1e9 do
      await(arrived, round)
      body(2, round)
      done[0] = round
    end
  end))
  local round = 0
  while system.now() < deadline do
    round = round + 1
    prepare(round)
    arrived[0] = round
    body(1, round)
    await(done, round)
    check(round)
  end
  system.kill(other.pid, system.SIGKILL)
  wait(other.pid)
end

local function await_all(words, count, value)
  local deadline = system.now() + 60
  for i = 1, count do
    while words[i] ~= value do
      assert(system.now() < deadline, "a process did not begin in time")
      C.spec_usleep(50)
    end
  end
end

--- Runs `body(1)` to `body(4)` at the same time, and kills all wherever they are a fraction of a
--- millisecond after the last one began; `kills` processes in all.
---@param kills integer
---@param body fun(number: integer) does not return
---@param check? fun() after each four
function shared.massacre(kills, body, check)
  local segment = shared.segment(65536)
  local begun = ffi.cast("volatile uint64_t *", shared.C.segment_allot(segment, "begun", 1, 64))
  for round = 1, kills / 4 do
    local victims = {}
    for i = 1, 4 do
      victims[i] = process.fork(in_child(function()
        begun[i] = round
        body(i)
      end, i))
    end
    await_all(begun, 4, round)
    C.spec_usleep(300 + round % 17 * 50)
    for _, victim in ipairs(victims) do system.kill(victim.pid, system.SIGKILL) end
    for _, victim in ipairs(victims) do
      assert(wait(victim.pid) == system.SIGKILL, "a victim ended before it was killed")
    end
    if check then check() end
  end
end

return shared
