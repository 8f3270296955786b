--- request_journeys, process_states: what becomes of a trace that is known.

local process_states = require "spec.bench.process_states"
local request_journeys = require "spec.bench.request_journeys"

local CLIENT, PROXY, ORIGIN = 10, 20, 30

-- Clients' descriptors 3 and 4 are the proxy's 5 and 6; its 7 and 8 are the origin's 9 and 10.
local function ends()
  local function at(pid, fd) return { pid = pid, fd = fd } end
  return {
    [CLIENT] = { [3] = at(PROXY, 5), [4] = at(PROXY, 6) },
    [PROXY] = { [5] = at(CLIENT, 3), [6] = at(CLIENT, 4), [7] = at(ORIGIN, 9),
      [8] = at(ORIGIN, 10) },
    [ORIGIN] = { [9] = at(PROXY, 7), [10] = at(PROXY, 8) },
  }
end

describe("journeys of requests", function()
  local journeys

  before_each(function()
    journeys = request_journeys.new({ client = CLIENT, proxy = PROXY, origin = ORIGIN }, ends())
  end)

  local function read(pid, fd, at) journeys:on_read(pid, fd, at) end
  local function write(pid, fd, at) journeys:on_write(pid, fd, at) end

  it("are told apart where a proxy reads several before it writes", function()
    write(CLIENT, 3, 1)
    write(CLIENT, 4, 2)
    read(PROXY, 5, 3)
    read(PROXY, 6, 4)
    write(PROXY, 8, 5) -- the first one's
    write(PROXY, 7, 6)
    read(ORIGIN, 9, 7)
    write(ORIGIN, 9, 8) -- the second is answered first
    read(ORIGIN, 10, 9)
    write(ORIGIN, 10, 10)
    read(PROXY, 7, 11)
    read(PROXY, 8, 12)
    write(PROXY, 6, 13)
    write(PROXY, 5, 14)
    read(CLIENT, 3, 16)
    read(CLIENT, 4, 18)
    assert.same({
      { took = 15, stages = {
        { role = "proxy", from = 1, to = 5 }, { role = "origin", from = 5, to = 10 },
        { role = "proxy", from = 10, to = 14 }, { role = "client", from = 14, to = 16 },
      } },
      { took = 16, stages = {
        { role = "proxy", from = 2, to = 6 }, { role = "origin", from = 6, to = 8 },
        { role = "proxy", from = 8, to = 13 }, { role = "client", from = 13, to = 18 },
      } },
    }, journeys.done)
    assert.equal(0, journeys.lost)
  end)

  local function whole(at)
    write(CLIENT, 3, at)
    read(PROXY, 5, at + 1)
    write(PROXY, 7, at + 2)
    read(ORIGIN, 9, at + 3)
    write(ORIGIN, 9, at + 4)
    read(PROXY, 7, at + 5)
    write(PROXY, 5, at + 6)
    read(CLIENT, 3, at + 7)
  end

  it("begin anew when the proxy sleeps, whatever it read without passing it on", function()
    read(PROXY, 6, 1) -- what wrote it, and what it wrote, was not recorded
    journeys:on_sleep(CLIENT)
    whole(10)
    assert.equal(0, #journeys.done)
    assert.equal(1, journeys.lost)
    journeys:on_sleep(PROXY)
    whole(20)
    assert.equal(1, #journeys.done)
    assert.equal(7, journeys.done[1].took)
  end)

  it("leave out other connections, and what comes to nobody's request", function()
    read(CLIENT, 3, 1)
    write(PROXY, 99, 2)
    read(ORIGIN, 99, 3)
    whole(10)
    assert.equal(1, #journeys.done)
    assert.equal(0, journeys.lost)
  end)
end)

describe("states of threads", function()
  it("are added up within any time", function()
    local states = process_states.new()
    states:on_state(1, "runs", 10)
    states:on_state(1, "waits", 14)
    states:on_state(1, "runs", 15)
    states:on_state(1, "sleeps", 20)
    states:on_state(2, "waits", 0)
    assert.same({ runs = 7, waits = 1, sleeps = 5 }, states:between(1, 12, 25))
    assert.same({ runs = 2, waits = 0, sleeps = 0 }, states:between(1, 16, 18))
    assert.same({ runs = 0, waits = 1, sleeps = 0 }, states:between(1, 14, 15))
    assert.same({ runs = 0, waits = 5, sleeps = 0 }, states:between(2, 30, 35))
  end)

  it("are those of who ran, before the first change", function()
    local states = process_states.new()
    states:on_state(1, "sleeps", 10)
    assert.same({ runs = 5, waits = 0, sleeps = 2 }, states:between(1, 5, 12))
    assert.same({ runs = 3, waits = 0, sleeps = 0 }, states:between(9, 5, 8))
  end)
end)
