--- Ends, pauses and upgrades that come when nobody expects them.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local latches = require "spec.support.latch"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local SIGSTOP, SIGCONT = system.SIGSTOP, system.SIGCONT

-- Sets a field that says who the client is, as a policy would.
local IDENTIFY = [[
local identify = { summary = "says who the client is", options = {} }
function identify:request(req) req.headers["x-consumer"] = "known" end
return identify
]]

local PAUSE = [[
local sleep = require("moongate").sleep
local pause = { summary = "sleeps", options = {} }
function pause:request() sleep(1.5) end
return pause
]]

local ENLARGE = [[
local enlarge = { summary = "sends a large body of its own", options = {} }
function enlarge:request(req) req:set_body(("x"):rep(16 * 1024 * 1024)) end
return enlarge
]]

local CROWD = [[
local moongate = require "moongate"
local crowd = { summary = "more tasks than there can be", options = {} }
function crowd:request()
  while pcall(moongate.spawn, moongate.sleep, 60) do end
  local function nothing() end
  local ok, why = pcall(moongate.all, { nothing, nothing })
  return moongate.reply.text(200, tostring(ok) .. " " .. tostring(why))
end
return crowd
]]

local ASK = [[
local moongate = require "moongate"
local ask = { summary = "fetches with a body", options = {} }
function ask:request(req)
  local size = tonumber(req.query.size)
  local answer, why = moongate.fetch {
    url = "http://origin/", method = "POST", body = ("x"):rep(size),
  }
  return moongate.reply.text(200, answer and answer.body or why)
end
return ask
]]

local READ_AGAIN = [[
local again = { summary = "reads both bodies", options = {} }
function again:request(req) req:body() end
function again:response(req, res) res.headers["x-length"] = #res:body() end
return again
]]

local GATHER = [[
local gather = { summary = "holds all back until the end", options = {} }
function gather:response_chunk(req, res, chunk, last)
  local pieces = req.context
  pieces[#pieces + 1] = chunk
  return last and table.concat(pieces) or ""
end
return gather
]]

local READ = [[
local read = { summary = "reads the whole answer", options = {} }
function read:response(req, res) res:body() end
return read
]]

local SHOUT = [[
local shout = { summary = "changes every chunk", options = {} }
function shout:response_chunk(req, res, chunk, last) return last and "!" or chunk:upper() end
return shout
]]

local UPGRADE = { Connection = "upgrade", Upgrade = "echo" }
local SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"

describe("a gateway", function()
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  -- One that sends all to `origin`, through the plugin with this source.
  local function start(origin, plugin, limits)
    return gateway.start {
      config = ([[
        listen "127.0.0.1:0"
        limits { %s }
        upstream "origin" { "%s" }
        route "/{rest*}" { upstream = "origin", plugins = { %s } }
      ]]):format(limits or "", origin.url, plugin and '{ "tried" }' or ""),
      files = { ["plugins/tried.lua"] = plugin },
    }
  end

  it("keeps fields of its policies that the client nominates", function()
    local origin = peer.start()
    local self = start(origin, IDENTIFY)
    local response = http.request(self.port, {
      headers = {
        Connection = "close, x-consumer, x-other", ["X-Consumer"] = "me", ["X-Other"] = "1",
      },
    })
    local seen = json.decode(response.body).headers
    assert.equal("known", seen["x-consumer"])
    assert.is_nil(seen["x-other"])
    assert.is_nil(seen.connection)
  end)

  it("waits for a body no longer after a pause of its own than before", function()
    local self = start(peer.start(), PAUSE, 'body_timeout = "200ms"')
    local client = http.connect(self.port)
    client:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
    assert.equal(408, client:read_response().status)
    client:close()
  end)

  it("does not hold its own pause against the client", function()
    local self = start(peer.start(), PAUSE, 'body_timeout = "2s"')
    local client = http.connect(self.port)
    client:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
    system.sleep(2.3)
    client:send "1234567890"
    assert.equal(200, client:read_response().status)
    client:close()
  end)

  it("takes no upgrade before the request is complete", function()
    local origin = peer.start(function(connection)
      connection:read_head()
      connection:send(SWITCHING)
      connection:sleep(0.5) -- there is no room for all of the body
      connection.stream:discard()
    end)
    local self = start(origin, ENLARGE)
    local client = http.connect(self.port)
    client:send(http.format { headers = UPGRADE })
    assert.equal(502, client:read_response().status)
    client:send "more"
    client:close()
  end)

  it("stays when a client ends its side in the moment of an upgrade", function()
    local latch = latches.new()
    local origin = peer.start(function(connection)
      connection:read_head()
      connection:await(latch.is_open)
      connection:send(SWITCHING)
      connection:note "switched"
      connection:send(connection.stream:receive_all())
    end)
    local self = start(origin)
    local worker = self:worker_pids()[1]
    local client = http.connect(self.port)
    client:send(http.format { headers = UPGRADE })
    origin:wait_for_requests(1)
    system.kill(worker, SIGSTOP)
    client:finish()
    latch.open()
    wait.that(function() return #origin:notes() == 1 end)
    system.kill(worker, SIGCONT)
    assert.equal(101, client:read_response().status)
    client:read_until_close()
    client:close()
    assert.equal(worker, self:worker_pids()[1])
  end)

  -- How much fits into the kernel is its own choice; somewhere here the last of it does not.
  it("brings a tunnel's rest to a client that has ended its own side", function()
    local origin = peer.start(function(connection)
      local size = tonumber(connection:read_head().target:sub(2))
      connection:send(SWITCHING)
      if not connection:send(("x"):rep(size)) then return end
      connection:finish()
      connection:note(size)
      connection.stream:discard()
    end)
    local self = start(origin)
    for i = 1, 50 do
      local size = i * 100000
      local client = http.connect(self.port, { receive_buffer = 4096 })
      client:send(http.format { path = "/" .. size, headers = UPGRADE })
      assert.equal(101, client:read_response().status)
      pcall(wait.that, function() return origin:notes()[i] end, 0.15)
      client:finish()
      assert.equal(size, #client:read_until_close())
      client:close()
    end
  end)

  it("fetches with bodies of any size", function()
    local self = start(peer.start(), ASK)
    for _ = 1, 2 do
      for _, size in ipairs { 1, 0, 10000, 200000, 5000000 } do
        local response = http.request(self.port, { path = "/?size=" .. size })
        assert.equal(size, json.decode(response.body).length)
      end
    end
  end)

  it("sends what a policy made of a body's pieces, however large", function()
    local self = start(peer.start(), GATHER)
    local client = http.connect(self.port)
    for _ = 1, 2 do
      client:send(http.format { path = "/bytes/20000000" })
      system.sleep(0.3) -- more than the kernel holds
      assert.equal(20000000, client:read_response("GET", { count = true }).length)
    end
    client:close()
  end)

  it("shows chunks to a policy though another one has read the whole body", function()
    local origin = peer.start "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    local self = gateway.start {
      config = ([[
        listen "127.0.0.1:0"
        upstream "origin" { "%s" }
        route "/" { upstream = "origin", plugins = { { "read" }, { "shout" } } }
      ]]):format(origin.url),
      files = { ["plugins/read.lua"] = READ, ["plugins/shout.lua"] = SHOUT },
    }
    for _ = 1, 2 do assert.equal("HELLO!", http.request(self.port, {}).body) end
  end)

  it("shows policies the answer to a body that broke off", function()
    local self = start(peer.start(), READ_AGAIN)
    local client = http.connect(self.port)
    client:send "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx"
    local response = client:read_response()
    assert.equal(400, response.status)
    assert.equal(#response.body, tonumber(response.headers["x-length"]))
    client:close()
  end)

  it("starts no more tasks than it has room for", function()
    local self = start(peer.start(), CROWD)
    local response = http.request(self.port, { seconds = 30 })
    assert.is_truthy(response.body:find("^false .*too many tasks$"))
  end)
end)
