--- reload_spec: all workers come to run the next generation, or none.

jit.off(true, true) -- compiled code must not be called back

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "server/reload.h"

local WORKERS, GENERATION = 3, 7
local NAMES = {
  [tonumber(C.CHANNEL_BUILD)] = "build", [tonumber(C.CHANNEL_START)] = "start",
  [tonumber(C.CHANNEL_SWAP)] = "swap", [tonumber(C.CHANNEL_ABANDON)] = "abandon",
}

describe("reload", function()
  local reload, happened, serving, deaf, waits, failing

  -- What it does, as words in their order: "build 0", "decided", "ended".
  local function note(...) happened[#happened + 1] = table.concat({ ... }, " ") end

  -- The FFI has few callbacks, so all cases share these.
  local events = ffi.new("struct reload_events", {
    is_serving = function(_, worker) return serving[worker] or false end,
    is_failing = function() return failing end,
    send = function(_, worker, message)
      assert(tonumber(message.generation) == GENERATION)
      note(NAMES[tonumber(message.kind)], worker)
      return not deaf[worker]
    end,
    decided = function()
      note "decided"
      return not waits
    end,
    left_behind = function(_, worker) note("left behind", worker) end,
  })
  -- A slice comes as its two words, which the FFI does not do by itself.
  local on_ended = ffi.cast("void (*)(void *, const char *, size_t)", function(_, start, length)
    length = tonumber(length)
    note("ended" .. (length > 0 and ": " .. ffi.string(start, length - 1) or ""))
  end)
  events.ended = ffi.cast(ffi.typeof(events.ended), on_ended)

  before_each(function()
    happened, serving, deaf, waits = {}, { [0] = true, true, true }, {}, false
    failing = false
    reload = ffi.new "struct reload"
    C.reload_init(reload, WORKERS, events)
  end)

  -- What has happened since this was asked.
  local function news()
    local seen = table.concat(happened, ", ")
    happened = {}
    return seen
  end

  local function begin() return C.reload_begin(reload, GENERATION) end

  local function answer(worker, kind, why, generation)
    local message = ffi.new("struct channel_message", {
      kind = kind, ok = why == nil, generation = generation or GENERATION,
    })
    message.text = runtime.slice(why or "")
    C.reload_on_message(reload, worker, message)
  end

  local function all_answer(kind)
    for worker = 0, WORKERS - 1 do
      if serving[worker] then answer(worker, kind) end
    end
  end

  local function is_over() return tonumber(C.reload_seconds_max(reload)) == 0 end

  it("goes through its steps with all workers together", function()
    assert.is_true(begin())
    assert.equal("build 0, build 1, build 2", news())
    answer(0, C.CHANNEL_BUILT)
    answer(2, C.CHANNEL_BUILT)
    assert.equal("", news())
    answer(1, C.CHANNEL_BUILT)
    assert.equal("start 0, start 1, start 2", news())
    all_answer(C.CHANNEL_STARTED)
    assert.equal("decided, swap 0, swap 1, swap 2", news())
    answer(0, C.CHANNEL_SWAPPED)
    answer(1, C.CHANNEL_SWAPPED)
    assert.is_false(is_over())
    answer(2, C.CHANNEL_SWAPPED)
    assert.equal("ended", news())
    assert.is_true(is_over())
  end)

  it("waits before it swaps where somebody may be in the middle of connecting", function()
    waits = true
    begin()
    all_answer(C.CHANNEL_BUILT)
    news()
    all_answer(C.CHANNEL_STARTED)
    assert.equal("decided", news())
    assert.is_true(math.abs(C.reload_seconds_max(reload) - 0.2) < 1e-9)
    all_answer(C.CHANNEL_STARTED)
    C.reload_on_death(reload, 1)
    assert.equal("", news())
    C.reload_on_late(reload)
    assert.equal("swap 0, swap 2", news())
    answer(0, C.CHANNEL_SWAPPED)
    answer(2, C.CHANNEL_SWAPPED)
    assert.equal("ended", news())
  end)

  it("ends after the wait when nobody is left", function()
    waits = true
    begin()
    all_answer(C.CHANNEL_BUILT)
    all_answer(C.CHANNEL_STARTED)
    for worker = 0, WORKERS - 1 do C.reload_on_death(reload, worker) end
    news()
    C.reload_on_late(reload)
    assert.equal("ended", news())
    assert.is_true(is_over())
  end)

  it("is abandoned by all when one cannot build", function()
    begin()
    answer(0, C.CHANNEL_BUILT)
    news()
    answer(1, C.CHANNEL_BUILT, "gateway.lua:1: wrong\n")
    assert.equal("abandon 0, abandon 1, abandon 2, ended: gateway.lua:1: wrong", news())
    answer(2, C.CHANNEL_BUILT)
    assert.equal("", news())
    assert.is_true(is_over())
  end)

  it("is abandoned by all when one cannot start", function()
    begin()
    all_answer(C.CHANNEL_BUILT)
    news()
    answer(2, C.CHANNEL_STARTED, "no start\n")
    assert.equal("abandon 0, abandon 1, abandon 2, ended: no start", news())
  end)

  it("always has a reason", function()
    begin()
    news()
    answer(0, C.CHANNEL_BUILT, "")
    answer(0, C.CHANNEL_BUILT)
    local message = ffi.new("struct channel_message", {
      kind = C.CHANNEL_BUILT, ok = false, generation = GENERATION,
    })
    C.reload_on_message(reload, 1, message)
    assert.matches("ended: %(no reason given%)$", news())
  end)

  it("does not take answers to other steps, or of other generations", function()
    begin()
    news()
    for worker = 0, WORKERS - 1 do
      answer(worker, C.CHANNEL_STARTED)
      answer(worker, C.CHANNEL_SWAPPED)
      answer(worker, C.CHANNEL_BUILT, nil, GENERATION - 1)
      answer(worker, C.CHANNEL_RETIRED)
    end
    assert.equal("", news())
  end)

  it("counts an answer that is given twice once", function()
    begin()
    news()
    for _ = 1, 3 do answer(0, C.CHANNEL_BUILT) end
    assert.equal("", news())
  end)

  it("goes on without a worker that dies before the decision, and has it replaced", function()
    begin()
    answer(0, C.CHANNEL_BUILT)
    answer(2, C.CHANNEL_BUILT)
    news()
    C.reload_on_death(reload, 1)
    assert.equal("start 0, start 2", news())
    answer(0, C.CHANNEL_STARTED)
    C.reload_on_death(reload, 2)
    assert.equal("decided, left behind 1, left behind 2, swap 0", news())
    answer(0, C.CHANNEL_SWAPPED)
    assert.equal("ended", news())
  end)

  -- It may be what they build or start that ends them.
  it("is abandoned when all of them die before the decision", function()
    for _, kind in ipairs { false, C.CHANNEL_BUILT } do
      begin()
      if kind then all_answer(kind) end
      news()
      C.reload_on_death(reload, 1)
      C.reload_on_death(reload, 2)
      assert.equal("", news())
      C.reload_on_death(reload, 0)
      assert.equal("ended: worker 1 has ended meanwhile, as all have", news())
      assert.is_true(reload.is_suspect)
      assert.is_true(is_over())
    end
  end)

  it("is done without a worker that dies after the decision", function()
    begin()
    all_answer(C.CHANNEL_BUILT)
    all_answer(C.CHANNEL_STARTED)
    answer(0, C.CHANNEL_SWAPPED)
    answer(2, C.CHANNEL_SWAPPED)
    news()
    C.reload_on_death(reload, 1)
    assert.equal("ended", news())
  end)

  it("is done when all of them die after the decision", function()
    begin()
    all_answer(C.CHANNEL_BUILT)
    all_answer(C.CHANNEL_STARTED)
    news()
    for worker = 0, WORKERS - 1 do C.reload_on_death(reload, worker) end
    assert.equal("ended", news())
  end)

  it("leaves alone who does not serve, and has it replaced after the decision", function()
    serving[1] = false
    begin()
    assert.equal("build 0, build 2", news())
    C.reload_on_death(reload, 1)
    all_answer(C.CHANNEL_BUILT)
    serving[1] = true -- it has come up meanwhile, on the old one
    answer(1, C.CHANNEL_STARTED)
    answer(0, C.CHANNEL_STARTED)
    news()
    answer(2, C.CHANNEL_STARTED)
    assert.equal("decided, left behind 1, swap 0, swap 2", news())
    answer(0, C.CHANNEL_SWAPPED)
    answer(2, C.CHANNEL_SWAPPED)
    assert.equal("ended", news())
  end)

  it("is over at once when nobody serves at this moment", function()
    serving = {}
    assert.is_false(begin())
    assert.equal("ended: no worker serves at this moment", news())
    assert.is_false(reload.is_suspect)
  end)

  it("is decided at once when nobody serves, as all end again and again", function()
    serving, failing = {}, true
    assert.is_false(begin())
    assert.equal("decided, left behind 0, left behind 1, left behind 2, ended", news())
    waits = true
    assert.is_true(begin())
    assert.equal("decided, left behind 0, left behind 1, left behind 2", news())
    C.reload_on_late(reload)
    assert.equal("ended", news())
  end)

  it("goes on without whom it cannot reach before the decision", function()
    deaf[1] = true
    begin()
    assert.equal("build 0, build 1, build 2", news())
    deaf[2] = true
    answer(0, C.CHANNEL_BUILT)
    answer(2, C.CHANNEL_BUILT)
    assert.equal("start 0, start 2", news())
    answer(0, C.CHANNEL_STARTED)
    assert.equal("decided, left behind 1, left behind 2, swap 0", news())
  end)

  it("is abandoned by whom it could not reach, too", function()
    begin()
    answer(0, C.CHANNEL_BUILT)
    answer(1, C.CHANNEL_BUILT)
    deaf[1] = true
    answer(2, C.CHANNEL_BUILT)
    news()
    deaf[1] = nil
    answer(0, C.CHANNEL_STARTED, "no start\n")
    assert.equal("abandon 0, abandon 1, abandon 2, ended: no start", news())
  end)

  it("is abandoned when it can reach nobody", function()
    deaf[0], deaf[1], deaf[2] = true, true, true
    assert.is_false(begin())
    assert.equal("build 0, build 1, build 2, abandon 0, abandon 1, abandon 2, "
      .. "ended: worker 3 cannot be reached", news())
  end)

  it("leaves behind whom the decision does not reach", function()
    begin()
    all_answer(C.CHANNEL_BUILT)
    deaf[0], deaf[1], deaf[2] = true, true, true
    answer(0, C.CHANNEL_STARTED)
    answer(1, C.CHANNEL_STARTED)
    news()
    answer(2, C.CHANNEL_STARTED)
    assert.equal("decided, swap 0, left behind 0, swap 1, left behind 1, swap 2, left behind 2, "
      .. "ended", news())
  end)

  it("does not wait for ever: who is late before the decision ends it", function()
    begin()
    answer(0, C.CHANNEL_BUILT)
    assert.equal(120, tonumber(C.reload_seconds_max(reload)))
    news()
    C.reload_on_late(reload)
    assert.equal("abandon 0, abandon 1, abandon 2, ended: worker 3 took too long to build it",
      news())
    begin()
    all_answer(C.CHANNEL_BUILT)
    assert.equal(40, tonumber(C.reload_seconds_max(reload)))
    news()
    C.reload_on_late(reload)
    assert.matches("ended: worker 3 took too long to start it$", news())
  end)

  it("leaves behind who is late after the decision", function()
    begin()
    all_answer(C.CHANNEL_BUILT)
    all_answer(C.CHANNEL_STARTED)
    answer(1, C.CHANNEL_SWAPPED)
    news()
    C.reload_on_late(reload)
    assert.equal("left behind 0, left behind 2, ended", news())
  end)

  it("can follow on one that failed", function()
    begin()
    answer(0, C.CHANNEL_BUILT, "wrong\n")
    news()
    assert.is_true(begin())
    assert.equal("build 0, build 1, build 2", news())
  end)

  it("hears nothing where none runs", function()
    answer(0, C.CHANNEL_BUILT)
    C.reload_on_death(reload, 0)
    C.reload_on_late(reload)
    assert.equal("", news())
  end)
end)
