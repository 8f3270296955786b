local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local ASKS = [[
local moongate = require "moongate"
return { summary = "Asks.", options = {}, respond = function()
  local answer, fault = moongate.fetch "http://fetched/bytes/5"
  return moongate.reply.text(200, answer and tostring(answer.status) or fault)
end }
]]

local TWO = "adaptive = { min = 2, max = 2 }"
local function queue(fields) return TWO .. ", queue = { " .. fields .. " }" end
local function order(name)
  return 'connections = 1, queue = { deadline = "20s", order = "' .. name .. '" }'
end

-- One upstream for each case, by name; all of them are the same peer.
local OVER_WORKERS = {
  limited = TWO,
  reported = "adaptive = { min = 2, max = 2, report_only = true }",
  given = TWO,
  fetched = TWO,
  waiting = queue 'deadline = "20s"',
  late = queue 'size = 2, deadline = "3s"',
  left = queue 'deadline = "20s"',
  killed = TWO,
}
local IN_ONE_WORKER = {
  learns = 'adaptive = { min = 2, max = 50, initial = 4, window = "10ms" }',
  slow = 'adaptive = { min = 2, max = 50, initial = 4, window = "10ms" }',
  fifo = order "fifo", lifo = order "lifo", adaptive = order "adaptive",
  full = 'connections = 1, queue = { deadline = "20s" }',
  counted = queue "report_only = true",
  broken = queue 'deadline = "20s"'
    .. ', breaker = { minimum = 4, open = "60s", slow = "300ms", slow_share = 0.8 }',
  reloaded = queue 'deadline = "20s"',
  shortened = queue 'deadline = "300s"',
}

describe("admission to an upstream", function()
  local origin, moongate, log, open

  setup(function()
    origin = peer.start()
    log = system.temporary_directory() .. "/access.log"
  end)
  before_each(function()
    open = {}
    origin:forget()
  end)
  after_each(function()
    origin:thaw()
    for _, connection in ipairs(open) do connection:close() end
  end)
  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function text(workers, upstreams)
    local lines = { ([[
      workers(%d)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      use { { "access-log", format = "json", path = %q } }
      route "/asks" { plugins = { { "asks" } } }
    ]]):format(workers, log) }
    for name, fields in pairs(upstreams) do
      lines[#lines + 1] = ([[
        upstream %q { %q, %s }
        route "/%s/{rest*}" { upstream = %q, retries = 0, rewrite = "/{rest}" }
        route "/%s/short" {
          upstream = %q, rewrite = "/bytes/5", timeout = { total = "400ms" }, retries = 0 }
      ]]):format(name, origin.url, fields, name, name, name, name)
    end
    return table.concat(lines, "\n")
  end

  local function start(workers, upstreams)
    if not upstreams.fetched then upstreams.fetched = TWO end
    moongate = reloading.start { config = text(workers, upstreams),
      files = { ["plugins/asks.lua"] = ASKS } }
  end

  -- A request that is on its way until it is read.
  local function begin(path)
    local connection = http.connect(moongate.port)
    connection:send(("GET /%s HTTP/1.1\r\nhost: a\r\n\r\n"):format(path))
    open[#open + 1] = connection
    return connection
  end
  local function many(count, path)
    local connections = {}
    for i = 1, count do connections[i] = begin(path) end
    return connections
  end
  local function get(path) return http.request(moongate.port, { path = "/" .. path }) end
  local function ask(method, path)
    return http.request(moongate.admin_port, { method = method, path = path })
  end
  local function shown(upstream)
    for _, row in ipairs(json.decode(ask("GET", "/concurrency").body).upstreams) do
      if row.upstream == upstream then return row end
    end
    return { active = 0, queue = { length = 0 } }
  end
  local function await(upstream, active, queued)
    wait.that(function()
      local row = shown(upstream)
      return row.active == active and row.queue.length == queued
    end, 20, ("%d active and %d waiting at %s"):format(active, queued, upstream))
  end
  local function statuses(connections)
    local count = {}
    for _, connection in ipairs(connections) do
      local status = connection:read_response().status
      count[status] = (count[status] or 0) + 1
    end
    return count
  end

  describe("over all workers", function()
    setup(function() start(2, OVER_WORKERS) end)
    teardown(function() gateway.stop_all() end)

    it("refuses what is beyond the limit", function()
      origin:freeze()
      local first = many(2, "limited/bytes/5")
      await("limited", 2, 0)
      for _ = 1, 8 do
        local answer = get "limited/bytes/5"
        assert.equal(503, answer.status)
        assert.matches("upstream%-overloaded", answer.body)
        assert.matches("connection_limit_reached", answer.headers["proxy-status"])
        assert.equal("1", answer.headers["retry-after"])
      end
      origin:thaw()
      assert.same({ [200] = 2 }, statuses(first))
      assert.equal(200, get("limited/bytes/5").status)
      local row = shown "limited"
      assert.same({ 2, 0, 8 }, { row.limit or 2, row.active, row.limited })
      local metrics = ask("GET", "/metrics").body
      assert.matches('moongate_upstream_concurrency_limited_total{upstream="limited"} 8', metrics,
        1, true)
      assert.equal(8, json.decode(ask("GET", "/upstreams/limited").body).concurrency.limited)
      local _, told = moongate:ask { "upstream", "limited" }
      assert.matches("limited, .-0 under way, 0 waiting %(8 beyond the limit, ", told)
      _, told = moongate:ask { "status" }
      assert.matches("\nupstream       limited, .-%(8 beyond the limit, 0 have waited, ", told)
      _, told = moongate:ask { "status", "--json" }
      local status = json.decode(told).protection
      local limits = {}
      for _, one in ipairs(status.concurrency) do limits[one.upstream] = one.limited end
      assert.equal(8, limits.limited)
    end)

    it("only counts where it only reports", function()
      origin:freeze()
      local all = many(5, "reported/bytes/5")
      await("reported", 5, 0)
      origin:thaw()
      assert.same({ [200] = 5 }, statuses(all))
      assert.equal(3, shown("reported").limited)
    end)

    it("gives places back whatever becomes of requests", function()
      for path, status in pairs { ["fault/reset-before"] = 502, ["status/500"] = 500 } do
        for _ = 1, 3 do assert.equal(status, get("given/" .. path).status) end
      end
      origin:freeze()
      local gone = many(2, "given/bytes/5")
      await("given", 2, 0)
      for _, connection in ipairs(gone) do connection:reset() end
      await("given", 0, 0)
    end)

    it("counts what plugins fetch, too", function()
      origin:freeze()
      local all = many(2, "fetched/bytes/5")
      await("fetched", 2, 0)
      assert.matches("upstream%-overloaded", get("asks").body)
      origin:thaw()
      statuses(all)
      assert.equal("200", get("asks").body)
    end)

    it("lets requests wait until others end", function()
      origin:freeze()
      local all = many(12, "waiting/bytes/5")
      await("waiting", 2, 10)
      origin:thaw()
      assert.same({ [200] = 12 }, statuses(all))
      await("waiting", 0, 0)
      local row = shown "waiting"
      assert.equal(10, row.queue.waited)
      assert.is_true(row.queue.waited_seconds > 0)
    end)

    it("answers who has waited for too long, and who finds no room", function()
      origin:freeze()
      local first = many(2, "late/bytes/5")
      await("late", 2, 0)
      local began = system.now()
      local waiting = many(2, "late/bytes/5")
      await("late", 2, 2)
      assert.matches("upstream%-overloaded", get("late/bytes/5").body)
      for _, connection in ipairs(waiting) do
        local answer = connection:read_response()
        assert.equal(503, answer.status)
        assert.matches("upstream%-queue%-timeout", answer.body)
        assert.equal("1", answer.headers["retry-after"])
      end
      assert.is_true(system.now() - began >= 2.9)
      origin:thaw()
      assert.same({ [200] = 2 }, statuses(first))
      local row = shown("late").queue
      assert.same({ 0, 2, 1 }, { row.waited, row.expired, row.refused })
    end)

    it("forgets clients that leave while they wait", function()
      origin:freeze()
      local first = many(2, "left/bytes/5")
      await("left", 2, 0)
      local gone, stays = begin "left/bytes/5", begin "left/bytes/7"
      await("left", 2, 2)
      gone:reset()
      await("left", 2, 1)
      origin:thaw()
      assert.same({ [200] = 2 }, statuses(first))
      assert.equal(7, #stays:read_response().body)
    end)

    it("gives back what a killed worker had under way", function()
      origin:freeze()
      many(2, "killed/bytes/5")
      await("killed", 2, 0)
      moongate:kill_workers()
      wait.that(function()
        local answered, row = pcall(shown, "killed")
        return answered and row.limited and row.active == 0
      end)
      origin:thaw()
      wait.that(function()
        local answered, answer = pcall(get, "killed/bytes/5")
        return answered and answer.status == 200
      end)
    end)
  end)

  describe("in a worker", function()
    setup(function() start(1, IN_ONE_WORKER) end)
    teardown(function() gateway.stop_all() end)

    it("learns, shows what it has learnt, and forgets it when told to", function()
      wait.that(function()
        assert.equal(200, get("learns/bytes/5").status)
        return shown("learns").usual
      end)
      assert.equal(4, shown("learns").limit)
      assert.equal(204, ask("POST", "/concurrency/learns/reset").status)
      assert.is_nil(shown("learns").usual)
      assert.equal(404, ask("POST", "/concurrency/other/reset").status)
    end)

    it("learns nothing from clients that send too slowly", function()
      local client = begin "slow/bytes/5"
      assert.equal(200, client:read_response().status)
      client:send "POST /slow/short HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nxyz"
      assert.equal(504, client:read_response().status)
      await("slow", 0, 0)
      assert.is_true((shown("slow").limit or 4) >= 4)
    end)

    -- One request goes, three wait one after the other; the order in which they came to the peer.
    it("lets the oldest go first, or the newest", function()
      local orders = { "fifo", "lifo", "adaptive" }
      origin:freeze()
      for i = 1, 4 do
        for at, name in ipairs(orders) do begin(("%s/bytes/%d%d"):format(name, at, i)) end
        for _, name in ipairs(orders) do await(name, 1, i - 1) end
      end
      origin:thaw()
      assert.same({ [200] = 12 }, statuses(open))
      local came = { "", "", "" }
      for _, request in ipairs(origin:requests()) do
        local at, i = request.target:match "(%d)(%d)$"
        came[tonumber(at)] = came[tonumber(at)] .. i
      end
      assert.same({ "1234", "1432", "1234" }, came)
    end)

    it("waits for connections, too, and says in the log how long", function()
      origin:freeze()
      local all = many(3, "full/bytes/5")
      await("full", 1, 2)
      origin:thaw()
      assert.same({ [200] = 3 }, statuses(all))
      wait.that(function()
        local lines = 0
        for line in system.read_file(log):gmatch '[^\n]+' do
          local is_one = line:find('/full/', 1, true) and line:find '"upstream_queue":%d%.%d+'
          lines = lines + (is_one and 1 or 0)
        end
        return lines == 2
      end)
    end)

    it("only counts who would wait where the queue only reports", function()
      origin:freeze()
      many(2, "counted/bytes/5")
      await("counted", 2, 0)
      assert.equal(503, get("counted/bytes/5").status)
      assert.equal(1, shown("counted").queue.waited)
    end)

    it("ends the wait when a request's own time is over, and breakers learn nothing of waits",
      function()
        origin:freeze()
        local first = many(2, "broken/bytes/5")
        await("broken", 2, 0)
        local waiting = many(6, "broken/bytes/5")
        await("broken", 2, 6)
        assert.same({ [504] = 6 }, statuses(many(6, "broken/short")))
        await("broken", 2, 6)
        origin:thaw()
        assert.same({ [200] = 2 }, statuses(first))
        assert.same({ [200] = 6 }, statuses(waiting))
        local breaker = json.decode(ask("GET", "/breakers").body).breakers[1]
        assert.same({ "upstream:broken", "closed" }, { breaker.name, breaker.state })
      end)

    it("keeps its counts over a reload, which changes how long is waited, or whether", function()
      origin:freeze()
      local all = many(3, "reloaded/bytes/5")
      local first = many(2, "shortened/bytes/5")
      await("reloaded", 2, 1)
      await("shortened", 2, 0)
      local waiting = begin "shortened/bytes/5"
      await("shortened", 2, 1)
      IN_ONE_WORKER.reloaded, IN_ONE_WORKER.shortened = "connections = 0", queue 'deadline = "50ms"'
      moongate:reload { ["gateway.lua"] = text(1, IN_ONE_WORKER) }
      await("reloaded", 3, 0)
      assert.matches("upstream%-queue%-timeout", waiting:read_response().body)
      await("shortened", 2, 0)
      origin:thaw()
      assert.same({ [200] = 3 }, statuses(all))
      assert.same({ [200] = 2 }, statuses(first))
    end)
  end)
end)
