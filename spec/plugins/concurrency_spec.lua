local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local LIMIT = 7

describe("concurrency", function()
  local origin, held

  setup(function() origin = peer.start() end)
  before_each(function() held = {} end)
  after_each(function()
    for _, connection in ipairs(held) do connection:close() end
    gateway.stop_all()
  end)
  teardown(function() peer.stop_all() end)

  local function config(text)
    return ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      use { "metrics" }
      upstream "users" { "%s", idle_connections = 0 }
    ]]):format(origin.url) .. text
  end

  local function limited(options)
    return config(([[
      workers(2)
      route "/{rest*}" { name = "all", upstream = "users", plugins = {
        { "concurrency", limit = %d, by = "route", %s } } }
    ]]):format(LIMIT, options or ""))
  end

  -- Sends a request whose body stays out until finish().
  local function hold(self, path, headers)
    local connection = http.connect(self.port, { seconds = 30 })
    connection:send(("POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: 1\r\n\r\n"):format(
      path or "/a", headers or ""))
    held[#held + 1] = connection
    return connection
  end

  local function status_of(connection)
    connection:send "x"
    return connection:read_response().status
  end

  -- Closes it once its request has ended and given its slot back, which may be after its answer:
  -- only then what comes behind it is looked at.
  local function leave(connection)
    connection:send "GET / HTTP/1.1\r\n\r\n" -- without Host
    assert.equal(400, connection:read_response().status)
    connection:close()
  end

  -- How many of them are answered in what way, once their bodies have been sent.
  local function finish(connections)
    local counts = {}
    for _, connection in ipairs(connections) do
      local status = status_of(connection)
      counts[status] = (counts[status] or 0) + 1
      leave(connection)
    end
    return counts
  end

  local function is_answered(connection)
    return connection.stream.unread ~= ""
      or not connection:is_closed(0) and connection.stream.unread ~= ""
  end

  -- Of so many requests all but `admitted` are refused before it returns those that are held.
  local function crowd(self, count, admitted)
    local connections, rest = {}, {}
    for i = 1, count do connections[i] = hold(self) end
    wait.that(function()
      local answered = 0
      for _, connection in ipairs(connections) do
        answered = answered + (is_answered(connection) and 1 or 0)
      end
      return answered == count - admitted
    end, 20, ("%d of %d to be refused"):format(count - admitted, count))
    for _, connection in ipairs(connections) do
      if is_answered(connection) then
        assert.equal(429, connection:read_response().status)
        connection:close()
      else
        rest[#rest + 1] = connection
      end
    end
    return rest
  end

  local function get(self, path, headers)
    return http.request(self.port, { path = path or "/a", headers = headers })
  end

  local function is_admitted(self)
    local connection = http.connect(self.port)
    local status = connection:request({ path = "/a" }).status
    leave(connection)
    return status == 200
  end

  -- All slots are free again, and no more than there are.
  local function has_all(self)
    wait.that(function() return is_admitted(self) end)
    assert.same({ [200] = LIMIT }, finish(crowd(self, LIMIT + 5, LIMIT)))
  end

  it("admits as many as the limit over all workers and connections", function()
    local self = gateway.start { config = limited() }
    assert.equal(2, #self:worker_pids())
    assert.same({ [200] = LIMIT }, finish(crowd(self, 24, LIMIT)))
    has_all(self)
  end)

  it("says what was too much, and when to come again", function()
    local self = gateway.start { config = limited 'retry_after = "3s"' }
    crowd(self, LIMIT + 1, LIMIT)
    local answer = get(self)
    assert.equal(429, answer.status)
    assert.equal("3", answer.headers["retry-after"])
    local problem = json.decode(answer.body)
    assert.matches("too%-many%-at%-once$", problem.type)
    assert.same({ "all" }, problem["violated-policies"])
  end)

  it("gives a slot back when the client goes away", function()
    local self = gateway.start { config = limited() }
    for _, connection in ipairs(crowd(self, LIMIT + 1, LIMIT)) do connection:close() end
    has_all(self)
  end)

  it("gives slots back whose worker was killed, and only those", function()
    local self = gateway.start { config = limited() }
    local mine, lost_in_all = crowd(self, 24, LIMIT), 0
    for _ = 1, 6 do
      local victim = self:worker_pids()[1]
      system.kill(victim, system.SIGKILL)
      wait.that(function()
        local pids = self:worker_pids()
        return #pids == 2 and pids[1] ~= victim and pids[2] ~= victim
      end, 20, "a successor")
      local kept = {}
      for _, connection in ipairs(mine) do
        if not connection:is_closed(0) then kept[#kept + 1] = connection end
      end
      local lost = LIMIT - #kept
      lost_in_all = lost_in_all + lost
      mine = crowd(self, 12, lost)
      for _, connection in ipairs(kept) do mine[#mine + 1] = connection end
      assert.equal(LIMIT, #mine)
    end
    assert.is_true(lost_in_all > 0, "nobody had a slot")
    assert.same({ [200] = LIMIT }, finish(mine))
    has_all(self)
  end)

  it("counts over a reload that changes the number", function()
    local self = reloading.start { config = limited() }
    local connections = crowd(self, LIMIT + 1, LIMIT)
    assert.equal(429, get(self).status)
    self:reload { ["gateway.lua"] = (limited():gsub("limit = 7", "limit = 8")) }
    wait.that(function() return is_admitted(self) end)
    local one = crowd(self, 2, 1)
    assert.same({ [200] = LIMIT }, finish(connections))
    assert.same({ [200] = 1 }, finish(one))
  end)

  it("counts by what it is told to", function()
    local self = gateway.start { config = config [[
      consumer "mobile" { keys = { "k1" } }
      consumer "desk" { keys = { "k2" } }
      route "POST /consumer" { upstream = "users", plugins = { "key-auth",
        { "concurrency", limit = 1, by = "consumer" } } }
      route "POST /header" { upstream = "users", plugins = {
        { "concurrency", limit = 1, by = "header:x-team", missing = "deny", status = 503 } } }
    ]] }
    local function ask(path, headers)
      return http.request(self.port,
        { method = "POST", path = path, headers = headers, body = "x" }).status
    end
    local function hold_one(path, headers)
      origin:forget()
      hold(self, path, headers)
      origin:wait_for_requests(1)
    end
    hold_one("/consumer", "x-api-key: k1\r\n")
    assert.equal(429, ask("/consumer", { ["x-api-key"] = "k1" }))
    assert.equal(200, ask("/consumer", { ["x-api-key"] = "k2" }))
    hold_one("/header", "x-team: a\r\n")
    assert.equal(503, ask("/header", { ["x-team"] = "a" }))
    assert.equal(200, ask("/header", { ["x-team"] = "b" }))
    assert.equal(403, ask "/header")
  end)

  it("only reports what it would refuse, where it is to", function()
    local self = gateway.start { config = limited "report_only = true" }
    local connections = {}
    for i = 1, 12 do connections[i] = hold(self) end
    local series = '\nmoongate_concurrency_refused_total{limit="all",mode="report"} 5\n'
    wait.that(function()
      return http.request(self.admin_port, { path = "/metrics" }).body:find(series, 1, true)
    end)
    assert.same({ [200] = 12 }, finish(connections))
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"concurrency"'] = "limit is missing",
      ['"concurrency", limit = 0'] = "limit is 0; expected",
      ['"concurrency", limit = 1, status = 500'] = "expected one of 429, 503",
      ['"concurrency", limit = 1, by = "nothing"'] = 'by is "nothing"; expected',
    }
  end)
end)
