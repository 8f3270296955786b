local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local reloading = require "spec.support.reloading"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("admission to an upstream", function()
  local origin, moongate, open

  setup(function() origin = peer.start() end)
  before_each(function() open = {} end)
  after_each(function()
    origin:thaw()
    for _, connection in ipairs(open) do connection:close() end
    gateway.stop_all()
  end)
  teardown(function() peer.stop_all() end)

  local function text(upstream, workers, more)
    return ([[
      workers(%d)
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      upstream "orders" { "%s", %s }
      %s
      route "/{rest*}" { upstream = "orders", retries = 0 }
    ]]):format(workers or 1, origin.url, upstream, more or "")
  end

  local function start(upstream, workers, more, files)
    origin:forget()
    moongate = reloading.start { config = text(upstream, workers, more), files = files }
  end

  -- A request that is on its way until it is read.
  local function begin(path)
    local connection = http.connect(moongate.port)
    connection:send(("GET %s HTTP/1.1\r\nhost: a\r\n\r\n"):format(path or "/bytes/5"))
    open[#open + 1] = connection
    return connection
  end
  local function get(path) return http.request(moongate.port, { path = path or "/bytes/5" }) end
  local function ask(method, path)
    return http.request(moongate.admin_port, { method = method, path = path })
  end
  local function shown()
    local rows = json.decode(ask("GET", "/concurrency").body).upstreams
    return rows[1] or { active = 0, queue = { length = 0 } }
  end
  local function await(active, queued)
    wait.that(function()
      local row = shown()
      return row.active == active and row.queue.length == queued
    end, 20, ("%d active and %d waiting"):format(active, queued))
  end
  local function statuses(connections)
    local count = {}
    for _, connection in ipairs(connections) do
      local status = connection:read_response().status
      count[status] = (count[status] or 0) + 1
    end
    return count
  end
  local function many(count)
    local connections = {}
    for i = 1, count do connections[i] = begin() end
    return connections
  end

  local TWO = "adaptive = { min = 2, max = 2 }"

  it("refuses what is beyond the limit, over all workers", function()
    start(TWO, 2)
    origin:freeze()
    local first = many(2)
    await(2, 0)
    for _ = 1, 8 do
      local answer = get()
      assert.equal(503, answer.status)
      assert.matches("upstream%-overloaded", answer.body)
      assert.matches("connection_limit_reached", answer.headers["proxy-status"])
      assert.equal("1", answer.headers["retry-after"])
    end
    origin:thaw()
    assert.same({ [200] = 2 }, statuses(first))
    assert.equal(200, get().status)
    local row = shown()
    assert.same({ "orders", 2, 0, 8 }, { row.upstream, row.limit or 2, row.active, row.limited })
    local metrics = ask("GET", "/metrics").body
    assert.matches('moongate_upstream_concurrency_limited_total{upstream="orders"} 8', metrics, 1,
      true)
    assert.equal(8, json.decode(ask("GET", "/upstreams/orders").body).concurrency.limited)
    local _, told = moongate:ask { "upstream", "orders" }
    assert.matches("orders, .-0 under way, 0 waiting", told)
  end)

  it("learns, shows what it has learnt, and forgets it when told to", function()
    start 'adaptive = { min = 2, max = 50, initial = 4, window = "10ms" }'
    wait.that(function()
      assert.equal(200, get().status)
      return shown().usual
    end)
    assert.equal(4, shown().limit)
    assert.equal(204, ask("POST", "/concurrency/orders/reset").status)
    assert.is_nil(shown().usual)
    assert.equal(404, ask("POST", "/concurrency/other/reset").status)
  end)

  it("only counts where it only reports", function()
    start "adaptive = { min = 2, max = 2, report_only = true }"
    origin:freeze()
    local all = many(5)
    await(5, 0)
    origin:thaw()
    assert.same({ [200] = 5 }, statuses(all))
    assert.equal(3, shown().limited)
  end)

  it("gives places back whatever becomes of requests", function()
    start(TWO)
    for path, status in pairs { ["/fault/reset-before"] = 502, ["/status/500"] = 500 } do
      for _ = 1, 3 do assert.equal(status, get(path).status) end
    end
    origin:freeze()
    local gone = many(2)
    await(2, 0)
    for _, connection in ipairs(gone) do connection:close() end
    await(0, 0)
  end)

  it("gives back what a killed worker had under way", function()
    start(TWO, 2)
    origin:freeze()
    many(2)
    await(2, 0)
    moongate:kill_workers()
    wait.that(function()
      local answered, answer = pcall(ask, "GET", "/concurrency")
      return answered and answer.status == 200
        and json.decode(answer.body).upstreams[1].active == 0
    end)
    origin:thaw()
    wait.that(function()
      local answered, answer = pcall(get)
      return answered and answer.status == 200
    end)
  end)

  it("counts what plugins fetch, too", function()
    start(TWO, 1, 'route "/asks" { plugins = { { "asks" } } }', { ["plugins/asks.lua"] = [[
      local moongate = require "moongate"
      return { summary = "Asks.", options = {}, respond = function()
        local answer, fault = moongate.fetch "http://orders/bytes/5"
        return moongate.reply.text(200, answer and tostring(answer.status) or fault)
      end }
    ]] })
    origin:freeze()
    local all = many(2)
    await(2, 0)
    assert.matches("upstream%-overloaded", get("/asks").body)
    origin:thaw()
    statuses(all)
    assert.equal("200", get("/asks").body)
  end)

  local function queue(fields)
    return TWO .. ", queue = { " .. fields .. " }"
  end

  it("lets requests wait until others end, of all workers", function()
    start(queue 'deadline = "20s"', 2)
    origin:freeze()
    local all = many(12)
    await(2, 10)
    origin:thaw()
    assert.same({ [200] = 12 }, statuses(all))
    await(0, 0)
    local row = shown()
    assert.equal(10, row.queue.waited)
    assert.is_true(row.queue.waited_seconds > 0)
  end)

  it("answers who has waited for too long, and who finds no room", function()
    start(queue 'size = 2, deadline = "300ms"', 2)
    origin:freeze()
    local first = many(2)
    await(2, 0)
    local began = system.now()
    local waiting = many(2)
    await(2, 2)
    assert.matches("upstream%-overloaded", get().body)
    for _, connection in ipairs(waiting) do
      local answer = connection:read_response()
      assert.equal(503, answer.status)
      assert.matches("upstream%-queue%-timeout", answer.body)
      assert.equal("1", answer.headers["retry-after"])
    end
    assert.is_true(system.now() - began >= 0.29)
    origin:thaw()
    assert.same({ [200] = 2 }, statuses(first))
    local row = shown().queue
    assert.same({ 0, 2, 1 }, { row.waited, row.expired, row.refused })
  end)

  it("forgets clients that leave while they wait", function()
    start(queue 'deadline = "20s"')
    origin:freeze()
    local first = many(2)
    await(2, 0)
    local gone, stays = begin(), begin "/bytes/7"
    await(2, 2)
    gone:close()
    await(2, 1)
    origin:thaw()
    assert.same({ [200] = 2 }, statuses(first))
    assert.equal(7, #stays:read_response().body)
  end)

  it("ends the wait when the request's own time is over", function()
    origin:forget()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      workers(1)
      upstream "orders" { "%s", adaptive = { min = 1, max = 1 }, queue = { deadline = "20s" } }
      route "/short" { upstream = "orders", rewrite = "/bytes/5", timeout = { total = "200ms" } }
      route "/{rest*}" { upstream = "orders" }
    ]]):format(origin.url) }
    origin:freeze()
    begin()
    await(1, 0)
    assert.equal(504, get("/short").status)
    await(1, 0)
  end)

  -- One request goes, three wait one after the other; the order in which they were answered.
  local function order_of(order)
    open = {}
    start('connections = 1, queue = { deadline = "20s", order = "' .. order .. '" }')
    origin:freeze()
    local first = begin()
    await(1, 0)
    for i = 1, 3 do
      begin("/bytes/" .. i)
      await(1, i)
    end
    origin:thaw()
    assert.same({ [200] = 1 }, statuses { first })
    for i = 2, 4 do open[i]:read_response() end
    local paths = {}
    for i, request in ipairs(origin:requests()) do paths[i] = request.target:match "%d+" end
    return table.concat(paths, " ", 2)
  end

  it("lets the oldest go first, or the newest", function()
    assert.equal("1 2 3", order_of "fifo")
    gateway.stop_all()
    assert.equal("3 2 1", order_of "lifo")
    gateway.stop_all()
    assert.equal("1 2 3", order_of "adaptive")
  end)

  it("waits for connections, too, and says in the log how long", function()
    local log = system.temporary_directory() .. "/access.log"
    start('connections = 1, queue = { deadline = "20s" }', 1,
      ('use { { "access-log", format = "json", path = %q } }'):format(log))
    origin:freeze()
    local all = many(3)
    await(1, 2)
    origin:thaw()
    assert.same({ [200] = 3 }, statuses(all))
    wait.that(function()
      return select(2, system.read_file(log):gsub('"upstream_queue":%d%.%d+', "")) == 2
    end)
  end)

  it("only counts who would wait where the queue only reports", function()
    start(queue 'report_only = true')
    origin:freeze()
    many(2)
    await(2, 0)
    assert.equal(503, get().status)
    assert.equal(1, shown().queue.waited)
  end)

  it("keeps its counts over a reload, and lets who waits go when nothing is limited any more",
    function()
      start(queue 'deadline = "20s"')
      origin:freeze()
      local all = many(3)
      await(2, 1)
      moongate:reload { ["gateway.lua"] = text(queue 'deadline = "30s"') }
      await(2, 1)
      moongate:reload { ["gateway.lua"] = text "connections = 0" }
      await(3, 0)
      origin:thaw()
      assert.same({ [200] = 3 }, statuses(all))
    end)
end)
