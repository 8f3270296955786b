--- request_spans: what becomes of a trace that is known.

local request_spans = require "spec.bench.request_spans"

local CLIENT, PROXY, ORIGIN = 10, 20, 30

-- Clients' descriptors 3 and 4 are the proxy's 5 and 6; its 7 and 8 are the origin's 9 and 10.
local function peers()
  local function at(tid, fd) return { tid = tid, fd = fd } end
  return {
    [CLIENT] = { [3] = at(PROXY, 5), [4] = at(PROXY, 6) },
    [PROXY] = { [5] = at(CLIENT, 3), [6] = at(CLIENT, 4), [7] = at(ORIGIN, 9),
      [8] = at(ORIGIN, 10) },
    [ORIGIN] = { [9] = at(PROXY, 7), [10] = at(PROXY, 8) },
  }
end

local function span(role, from, to) return { role = role, from = from, to = to } end

describe("the spans of requests", function()
  local spans

  before_each(function()
    spans = request_spans.new({ client = CLIENT, proxy = PROXY, origin = ORIGIN }, peers())
  end)

  local function read(tid, fd, at) spans:on_read(tid, fd, at) end
  local function write(tid, fd, from, to)
    spans:on_write(tid, fd, from)
    if to then spans:on_written(tid, to) end
  end

  -- One request over 3, 5, 7 and 9.
  local function whole(at)
    write(CLIENT, 3, at, at + 1)
    read(PROXY, 5, at + 2)
    write(PROXY, 7, at + 3, at + 4)
    read(ORIGIN, 9, at + 5)
    write(ORIGIN, 9, at + 6, at + 7)
    read(PROXY, 7, at + 8)
    write(PROXY, 5, at + 9, at + 10)
    read(CLIENT, 3, at + 11)
  end

  it("end when a write returns", function()
    whole(20)
    assert.same({ { took = 11, spans = { span("client", 20, 21), span("proxy", 21, 24),
      span("origin", 24, 27), span("proxy", 27, 30), span("client", 30, 31) } } }, spans.done)
    assert.equal(0, spans.lost)
  end)

  it("end when the other end has read what is still being written", function()
    write(CLIENT, 3, 1)
    read(PROXY, 5, 2)
    spans:on_written(CLIENT, 3)
    write(PROXY, 7, 4)
    read(ORIGIN, 9, 5)
    write(ORIGIN, 9, 6)
    spans:on_written(PROXY, 7)
    read(PROXY, 7, 8)
    spans:on_written(ORIGIN, 9)
    write(PROXY, 5, 10)
    read(CLIENT, 3, 11)
    spans:on_written(PROXY, 12)
    assert.same({ { took = 10, spans = { span("client", 1, 2), span("proxy", 2, 5),
      span("origin", 5, 8), span("proxy", 8, 11), span("client", 11, 11) } } }, spans.done)
  end)

  -- Two at once: the first goes upstream over one descriptor, the second over another. The origin
  -- answers over 7 first, and the proxy passes that on to the second.
  local function two(first, second)
    write(CLIENT, 3, 1, 1)
    write(CLIENT, 4, 2, 2)
    read(PROXY, 5, 3)
    read(PROXY, 6, 4)
    write(PROXY, first, 5, 5)
    write(PROXY, second, 6, 6)
    write(ORIGIN, 9, 8, 8)
    write(ORIGIN, 10, 10, 10)
    read(PROXY, 7, 11)
    read(PROXY, 8, 12)
    write(PROXY, 6, 13, 13)
    write(PROXY, 5, 14, 14)
    read(CLIENT, 3, 16)
    read(CLIENT, 4, 18)
  end

  it("are told apart where a proxy reads several before it writes", function()
    two(8, 7)
    assert.same({
      { took = 15, spans = { span("client", 1, 1), span("proxy", 1, 5), span("origin", 5, 10),
        span("proxy", 10, 14), span("client", 14, 16) } },
      { took = 16, spans = { span("client", 2, 2), span("proxy", 2, 6), span("origin", 6, 8),
        span("proxy", 8, 13), span("client", 13, 18) } },
    }, spans.done)
    assert.equal(0, spans.lost)
  end)

  it("are none where answers do not come in the order that they were read in", function()
    two(7, 8)
    assert.same({}, spans.done)
    assert.equal(2, spans.lost)
  end)

  it("are known of who comes behind one whose beginning was not recorded", function()
    read(PROXY, 6, 1)
    write(CLIENT, 3, 1, 1)
    read(PROXY, 5, 2)
    write(PROXY, 8, 3, 3)
    write(PROXY, 7, 4, 4)
    write(ORIGIN, 9, 5, 5)
    read(PROXY, 7, 6)
    write(PROXY, 5, 7, 7)
    read(CLIENT, 3, 8)
    assert.equal(1, #spans.done)
    assert.same(span("proxy", 1, 4), spans.done[1].spans[2])
  end)

  it("begin anew when the proxy sleeps, whatever it read without passing it on", function()
    read(PROXY, 6, 1)
    spans:on_sleep(CLIENT)
    whole(10)
    assert.equal(0, #spans.done)
    assert.equal(1, spans.lost)
    spans:on_sleep(PROXY)
    whole(30)
    assert.equal(1, #spans.done)
  end)

  it("leave out other connections, and requests whose answer was not seen", function()
    read(CLIENT, 3, 1)
    write(PROXY, 99, 2, 2)
    read(ORIGIN, 99, 3)
    write(CLIENT, 3, 4, 4)
    whole(10)
    assert.equal(1, #spans.done)
    assert.equal(1, spans.lost)
  end)
end)
