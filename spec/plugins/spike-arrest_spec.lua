local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local refusal = require "spec.support.refusal"
local system = require "spec.support.system"

describe("spike-arrest", function()
  local self

  setup(function()
    self = gateway.start { config = [[
      workers(2)
      listen "127.0.0.1:0"
      local function plain(path, options)
        options[1] = "spike-arrest"
        route(path) { plugins = { options, { "mock", body = "in" } } }
      end
      plain("/one", { limit = 6, window = "1m" })
      plain("/burst", { limit = 1, window = "1m", burst = 3 })
      plain("/header", { limit = 1, window = "1m", by = "header:x-team" })
      plain("/wait", { limit = 20, window = "1s", wait = "225ms" })
    ]] }
  end)
  teardown(gateway.stop_all)

  local function get(path, headers)
    return http.request(self.port, { path = path, headers = headers })
  end

  it("admits one in an interval, and says when the next one may come", function()
    assert.equal(200, get("/one").status)
    local answer = get "/one"
    assert.equal(429, answer.status)
    assert.matches("spike", answer.body)
    local seconds = tonumber(answer.headers["retry-after"])
    assert.is_true(seconds >= 1 and seconds <= 10)
  end)

  it("admits a few at once where it is to", function()
    for _ = 1, 3 do assert.equal(200, get("/burst").status) end
    assert.equal(429, get("/burst").status)
  end)

  it("has a turn for each of what it counts by", function()
    assert.equal(200, get("/header", { ["x-team"] = "a" }).status)
    assert.equal(429, get("/header", { ["x-team"] = "a" }).status)
    assert.equal(200, get("/header", { ["x-team"] = "b" }).status)
  end)

  it("holds what comes too soon until its turn, over all workers", function()
    local connections, counts = {}, { [200] = 0, [429] = 0 }
    for i = 1, 12 do connections[i] = http.connect(self.port) end
    local since = system.now()
    for _, connection in ipairs(connections) do
      connection:send "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"
    end
    local last = 0
    for _, connection in ipairs(connections) do
      local status = connection:read_response().status
      counts[status] = counts[status] + 1
      if status == 200 then last = system.now() - since end
      connection:close()
    end
    -- One at once, and four whose turns come within 225 ms, or more where sending took its time.
    assert.is_true(counts[200] >= 5, counts[200] .. " admitted")
    assert.is_true(last >= 0.05 * (counts[200] - 1) - 0.01, counts[200] .. " in " .. last)
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"spike-arrest"'] = "limit is missing",
      ['"spike-arrest", limit = 1, burst = 0'] = "burst is 0; expected",
      ['"spike-arrest", limit = 1, wait = "2m"'] = "wait is ",
      ['"spike-arrest", limit = 1, window = "20000d"'] = "30 years",
      ['"spike-arrest", limit = 1000000, window = "20000d"'] = "the window is longer than 30 years",
    }
  end)
end)
