--- cache_seen_spec: why an answer was a hit or a miss, where plugins, the access log and
--- `moongate explain` tell it.

local cache_origin = require "spec.support.cache_origin"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

-- Notes for the specs what the cache did.
local WITNESS = [[
local log = require("moongate").log
local witness = { summary = "Logs what the cache did.", options = {} }
function witness:log(_, res)
  local cache = res and res.cache
  if not cache then return log.info "seen none" end
  log.info(("seen %s %s %s %s %s %s %s"):format(cache.outcome, tostring(cache.reason),
    tostring(cache.detail), tostring(cache.stored), tostring(cache.collapsed),
    type(cache.age), type(cache.ttl)))
end
return witness
]]

describe("what the cache did", function()
  local origin, moongate, log, config

  setup(function()
    origin = cache_origin.start()
    log = system.temporary_directory() .. "/access.log"
    config = ([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      use { { "access-log", path = "%s" }, { "access-log", path = "%s.own",
        format = "{cache} {cache_reason} {cache_detail} {cache_age} {cache_ttl}" }, { "witness" } }
      route "/plain/{rest*}" { upstream = "origin" }
      route "/asked/{rest*}" { upstream = "origin",
        plugins = { { "cache", when = function() return true end } } }
      route "/{rest*}" { upstream = "origin",
        plugins = { { "cache", bypass = { headers = { ["x-preview"] = true } } } } }
    ]]):format(origin.url, log, log)
    moongate = gateway.start { config = config, files = { ["plugins/witness.lua"] = WITNESS } }
  end)

  teardown(function()
    moongate:stop()
    peer.stop_all()
  end)

  local asked = 0

  -- What is said of a request: the members of its line, the line of the other format, the witness.
  local function see(path, headers, method)
    asked = asked + 1
    http.request(moongate.port, { path = path, headers = headers, method = method })
    local function last(file)
      local lines = {}
      for one in (system.read_file(file) or ""):gmatch "([^\n]*)\n" do lines[#lines + 1] = one end
      return lines[asked]
    end
    local line = wait.that(function() return last(log) end, 20, "a line")
    local own = wait.that(function() return last(log .. ".own") end, 20, "a line of the other")
    return json.decode(line), own
  end

  it("is told of a miss and a hit", function()
    local path = "/a?Cache-Control=max-age=60"
    local first, own = see(path)
    assert.same({ "miss", "uri-miss" }, { first.cache, first.cache_reason, first.cache_detail })
    assert.matches("^miss uri%-miss %- %d [56]%d$", own)
    assert.is_true(first.cache_age < 10 and first.cache_ttl > 50)
    local second = see(path)
    assert.equal("hit", second.cache)
    assert.is_nil(second.cache_reason)
    assert.is_nil(second.upstream_target)
    assert.is_true(second.cache_ttl <= 60)
    moongate:wait_for_log "seen miss uri%-miss nil true false number number"
    moongate:wait_for_log "seen hit nil nil false false number number"
  end)

  it("is told with the reason for which an answer was not stored", function()
    local entry, own = see "/b?Cache-Control=private"
    assert.same({ "miss", "uri-miss", "private" },
      { entry.cache, entry.cache_reason, entry.cache_detail })
    assert.equal("miss uri-miss private - -", own)
    moongate:wait_for_log "seen miss uri%-miss private false false nil nil"
  end)

  it("is told of what was validated, bypassed, or written", function()
    local path = '/c?Cache-Control=max-age=0&ETag=%22one%22'
    see(path)
    local entry = see(path)
    assert.same({ "revalidated", "stale" }, { entry.cache, entry.cache_reason })
    entry = see(path, { ["x-preview"] = "1" })
    assert.same({ "bypass", "bypass" }, { entry.cache, entry.cache_reason })
    entry = see(path, nil, "DELETE")
    assert.same({ "bypass", "method" }, { entry.cache, entry.cache_reason })
  end)

  it("is told of who waited for another", function()
    local path = "/d?Cache-Control=max-age=60&delay=2"
    local clients = {}
    for i = 1, 2 do
      clients[i] = http.connect(moongate.port)
      clients[i]:send(http.format { path = path })
    end
    for _, client in ipairs(clients) do assert.equal(200, client:read_response().status) end
    asked = asked + 2
    wait.that(function()
      return (system.read_file(log) or ""):find('"cache_collapsed":true', 1, true)
    end, 20, "a line of who waited")
  end)

  it("is nothing where it had no part", function()
    local entry, own = see "/plain/a?Cache-Control=max-age=60"
    assert.is_nil(entry.cache)
    assert.is_nil(entry.cache_reason)
    assert.equal("- - - - -", own)
    moongate:wait_for_log "seen none"
  end)

  local function explain(method, url, ...)
    local code, out = gateway.run({ "explain", method, url, "--json", ... },
      { config = config, files = { ["plugins/witness.lua"] = WITNESS } })
    assert.equal(0, code)
    return json.decode(out)
  end

  it("is explained beforehand", function()
    assert.same({ way = "lookup", key = "http://a.test/x?y=1" },
      explain("GET", "http://a.test/x?y=1").cache)
    assert.same({ way = "pass", reason = "bypass" },
      explain("GET", "http://a.test/x", "-H", "x-preview: 1").cache)
    assert.same({ way = "write" }, explain("POST", "http://a.test/x").cache)
    assert.is_true(explain("GET", "http://a.test/asked/x").cache.conditional)
    assert.is_nil(explain("GET", "http://a.test/plain/x").cache)
    local _, out = gateway.run({ "explain", "GET", "http://a.test/asked/x" },
      { config = config, files = { ["plugins/witness.lua"] = WITNESS } })
    assert.matches("cache +looked up as .*http://a%.test/asked/x, if its `when` says so", out)
  end)
end)
