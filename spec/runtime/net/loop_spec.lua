jit.off(true, true) -- compiled code must not be called back

local ffi = require "ffi"
local streams = require "spec.support.streams"
local system = require "spec.support.system"
local C = streams.C

local registry = debug.getregistry()
if not registry.moongate_loop_spec then
  registry.moongate_loop_spec = true
  ffi.cdef [[
    struct net_item { void *next, *prev; void (*run)(struct net_item *); };
    void net_loop_defer(struct net_loop *, struct net_item *) __asm__("loop_defer");
    void net_loop_postpone(struct net_loop *, struct net_item *) __asm__("loop_postpone");
    void net_loop_flush_later(struct net_loop *, struct net_item *) __asm__("loop_flush_later");
    void net_loop_flush(struct net_loop *) __asm__("loop_flush");
  ]]
end

describe("loop", function()
  local loop, callbacks

  -- Something to defer or to flush, calling `run` when its time comes.
  local function item(run)
    local made = ffi.new "struct net_item"
    made.next, made.prev = made, made
    made.run = ffi.cast("void (*)(struct net_item *)", run)
    callbacks[#callbacks + 1] = made
    return made
  end

  local function remove(made)
    ffi.cast("void **", made.prev)[0] = made.next
    ffi.cast("void **", made.next)[1] = made.prev
    made.next, made.prev = made, made
  end

  before_each(function()
    loop, callbacks = streams.loop(), {}
  end)

  after_each(function()
    loop:close()
    for _, made in ipairs(callbacks) do made.run:free() end
  end)

  it("ends when there is nothing to wait for", function()
    C.net_loop_run(loop.c)
  end)

  it("runs what was deferred even when there is nothing to wait for", function()
    local order = {}
    C.net_loop_defer(loop.c, item(function() order[#order + 1] = "one" end))
    C.net_loop_defer(loop.c, item(function() order[#order + 1] = "two" end))
    assert.same({}, order)
    C.net_loop_run(loop.c)
    assert.same({ "one", "two" }, order)
  end)

  it("runs what the last event deferred before it ends", function()
    local is_run = false
    local deferred = item(function() is_run = true end)
    C.net_timeout_set(loop:timeout(function() C.net_loop_defer(loop.c, deferred) end), 0.001)
    C.net_loop_run(loop.c)
    assert.is_true(is_run)
  end)

  it("does not wait or end while calls defer one another", function()
    local rounds, again = 0, nil
    again = item(function()
      rounds = rounds + 1
      if rounds < 100 then C.net_loop_defer(loop.c, again) end
    end)
    C.net_loop_defer(loop.c, again)
    C.net_loop_run(loop.c)
    assert.equal(100, rounds)
  end)

  it("runs once what was deferred twice, and not what was taken back", function()
    local runs, taken_back = 0, 0
    local kept, gone = item(function() runs = runs + 1 end),
      item(function() taken_back = taken_back + 1 end)
    C.net_loop_defer(loop.c, kept)
    C.net_loop_defer(loop.c, gone)
    C.net_loop_defer(loop.c, kept)
    remove(gone)
    C.net_loop_run(loop.c)
    assert.same({ 1, 0 }, { runs, taken_back })
  end)

  it("runs what deferred calls defer before it waits", function()
    local rounds = 0
    local again
    again = item(function()
      rounds = rounds + 1
      if rounds < 10 then C.net_loop_defer(loop.c, again) end
    end)
    C.net_loop_defer(loop.c, again)
    C.net_timeout_set(loop.guard, 0.01)
    C.net_loop_run_once(loop.c)
    assert.equal(10, rounds)
  end)

  it("lets sockets have their turn while calls defer one another for ever", function()
    local one, other = streams.pair(loop)
    one:attach()
    local is_over, again = false, nil
    again = item(function()
      if not is_over then C.net_loop_defer(loop.c, again) end
    end)
    C.net_loop_defer(loop.c, again)
    other:write "hello"
    loop:run(function() return one:text() == "hello" end)
    is_over = true
    C.net_loop_run_once(loop.c)
  end)

  it("runs what is postponed after 20 to 40 ms, if nobody takes it back", function()
    local order, began = {}, nil
    local gone = item(function() order[#order + 1] = "gone" end)
    C.net_loop_postpone(loop.c, gone)
    C.net_loop_postpone(loop.c, item(function() order[#order + 1] = "postponed" end))
    C.net_loop_defer(loop.c, item(function()
      order[#order + 1] = "deferred"
      began = C.net_loop_monotonic(loop.c)
    end))
    remove(gone)
    C.net_loop_run(loop.c)
    assert.equal("deferred postponed", table.concat(order, " "))
    local seconds = C.net_loop_monotonic(loop.c) - began
    assert.is_true(seconds >= 0.0199, seconds .. " s") -- more of them on a busy machine
  end)

  it("runs what is postponed while there is always something to do, too", function()
    local one, other = streams.pair(loop)
    local turns, is_run = 0, false
    function one:on_readable() turns = turns + 1 end -- what is not read is told of in each turn
    one:attach()
    other:write "x"
    C.net_loop_postpone(loop.c, item(function() is_run = true end))
    loop:run(function() return is_run end)
    assert.is_true(turns > 1, turns .. " turns")
  end)

  it("runs what is postponed by what was postponed", function()
    local order = {}
    local second = item(function() order[#order + 1] = "second" end)
    C.net_loop_postpone(loop.c, item(function()
      order[#order + 1] = "first"
      C.net_loop_postpone(loop.c, second)
    end))
    C.net_loop_run(loop.c)
    assert.equal("first second", table.concat(order, " "))
  end)

  -- What happens when so many streams become readable in one turn, each with something to flush.
  local function order_of_events(count)
    local order, others = {}, {}
    for i = 1, count do
      local one, other = streams.pair(loop)
      local flushed = item(function() order[#order + 1] = "flush" end)
      function one:on_readable()
        self:read()
        C.net_loop_flush_later(loop.c, flushed)
        C.net_loop_flush_later(loop.c, flushed)
        order[#order + 1] = "read"
        C.net_loop_flush(loop.c)
      end
      one:attach()
      others[i] = other
    end
    for _, other in ipairs(others) do other:write "x" end
    loop:run(function() return #order == 2 * count end)
    return table.concat(order, " ")
  end

  it("flushes each item once, after the events of its turn", function()
    assert.equal("read flush", order_of_events(1))
    assert.equal("read read flush flush", order_of_events(2))
  end)

  it("lets no more than 16 wait for one another", function()
    local sixteen = ("read "):rep(16) .. ("flush "):rep(16)
    assert.equal(sixteen .. "read flush", order_of_events(17))
  end)

  it("flushes what a timer asked for before it waits", function()
    local is_flushed = false
    local flushed = item(function() is_flushed = true end)
    local timeout = loop:timeout(function() C.net_loop_flush_later(loop.c, flushed) end)
    C.net_timeout_set(timeout, 0.001)
    loop:run(function() return is_flushed end)
  end)

  it("tells how long turns took, without their waiting", function()
    local turns = {}
    local on_turn = ffi.cast("void (*)(void *, double)", function(_, seconds)
      turns[#turns + 1] = seconds
    end)
    loop.c.on_turn = on_turn
    C.net_timeout_set(loop:timeout(function()
      local started = system.now()
      repeat until system.now() - started > 0.03
    end), 0.03)
    for _ = 1, 10 do loop:pass(0.02) end -- some turns in which nobody holds it up
    on_turn:free()
    loop.c.on_turn = nil
    table.sort(turns)
    assert.is_true(#turns > 1)
    assert.is_true(turns[#turns] > 0.03)
    -- Waiting for a timer took as long, and is in none of them.
    assert.is_true(turns[1] < 0.02)
  end)

  it("measures nothing while nobody wants to know", function()
    loop:pass(0.001)
    assert.equal(0, loop.c.turn[0])
  end)

  it("shows when the turn began that runs, wherever it is to be seen", function()
    local seen = ffi.new "double[1]"
    local on_turn = ffi.cast("void (*)(void *, double)", function() end)
    loop.c.on_turn, loop.c.turn = on_turn, seen
    local started, shown = system.now(), nil
    C.net_timeout_set(loop:timeout(function()
      shown = seen[0]
      C.net_loop_stop(loop.c)
    end), 0.001)
    C.net_loop_run(loop.c)
    assert.is_true(shown >= started and shown <= system.now())
    assert.equal(0, seen[0]) -- in no turn any more
    on_turn:free()
    loop.c.on_turn = nil
  end)

  it("has a clock that goes by itself", function()
    local started = system.now()
    local younger = streams.loop()
    younger:pass(0.03)
    local shown = C.net_loop_monotonic(younger.c)
    younger:close()
    assert.is_true(shown > 0.029 and shown <= system.now() - started)
  end)

  it("stops when told to", function()
    C.net_timeout_set(loop:timeout(function() C.net_loop_stop(loop.c) end), 0.001)
    local is_late = false
    C.net_timeout_set(loop:timeout(function() is_late = true end), 20)
    C.net_loop_run(loop.c)
    assert.is_false(is_late)
  end)
end)
