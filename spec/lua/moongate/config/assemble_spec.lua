require "spec.support.disk"
local config = require "moongate.config"
local process = require "spec.support.process"
local system = require "spec.support.system"

local function load(text)
  local directory = system.temporary_directory()
  system.write_file(directory .. "/gateway.lua", 'listen "127.0.0.1:0"\n' .. text)
  local model, errors = config.load(directory .. "/gateway.lua", { plugin_root = "none",
    getenv = function(name) return name == "KEY" and "hunter2" or nil end })
  process.remove(directory)
  local messages = {}
  for i, one in ipairs(errors or {}) do messages[i] = one.message end
  return model, table.concat(messages, "\n")
end

local function wrong(text)
  local _, messages = load(text)
  return messages
end

describe("a model", function()
  it("has defaults for all that is not said", function()
    local model = load ""
    assert.equal(0, model.workers)
    assert.equal("moongate", model.via)
    assert.is_false(model.forwarded)
    assert.is_nil(model.user)
    assert.same({ counters = 0, limits = 0, dict = 0, cache = 0, plugin_cache = 0 }, model.memory)
    assert.same({ level = "info", format = "text" }, model.log)
    assert.same({ timeout = 2, stale = 3600 }, model.resolver)
    assert.equal(32768, model.limits.head)
    assert.same({}, model.trusted_proxies)
  end)

  it("sheds load where it is told to", function()
    assert.is_nil(load("").shed)
    assert.same({ lag = 0.02, full = 0.2, window = 0.5, report_only = false },
      load("shed {}").shed)
    assert.equal("shed: full is 0.01s and lag is 0.02s; expected full to be more",
      wrong 'shed { full = "10ms" }')
    assert.matches("shed: lagg is not known here; did you mean \"lag\"", wrong "shed { lagg = 1 }")
  end)

  it("has what was said, converted", function()
    local model = load [[
      workers(3)
      via "edge"
      user "nobody"
      forwarded(true)
      trusted_proxies { "10.0.0.0/8" }
      memory { counters = "1m", dict = 131072, cache = "1m" }
      log { level = "debug", format = "json" }
      resolver { servers = { "192.0.2.1", "192.0.2.2" }, timeout = "500ms" }
      limits { head = "16k", idle_timeout = "5s" }
    ]]
    assert.equal(3, model.workers)
    assert.equal("edge", model.via)
    assert.equal("nobody", model.user)
    assert.is_true(model.forwarded)
    assert.same({ "10.0.0.0/8" }, model.trusted_proxies)
    assert.same(
      { counters = 1048576, limits = 0, dict = 131072, cache = 1048576, plugin_cache = 0 },
      model.memory)
    assert.same({ servers = "192.0.2.1,192.0.2.2", timeout = 0.5, stale = 3600 }, model.resolver)
    assert.equal(16384, model.limits.head)
    assert.equal(5, model.limits.idle_timeout)
  end)

  it("refuses values that are none", function()
    assert.equal("workers is 257; expected between 0 and 256", wrong "workers(257)")
    assert.equal("workers is 1.5; expected a whole number", wrong "workers(1.5)")
    assert.equal('via is "a b"; expected a token (RFC 9110, 5.6.2)', wrong 'via "a b"')
    assert.equal("limits is 7; expected a table", wrong "limits(7)")
    assert.equal("memory: dict is 131071; expected between 131072 and 4294967296",
      wrong "memory { dict = 131071 }")
    assert.equal('log: level is "loud"; expected one of "debug", "info", "warning", "error"',
      wrong 'log { level = "loud" }')
  end)

  it("has consumers, each with keys of its own", function()
    local model = load 'consumer "a" { keys = { "1", "2" }, groups = { "g" }, tags = { t = "x" } }'
    assert.same({ "1", "2" }, model.consumers[1].keys)
    assert.same({ "g" }, model.consumers[1].groups)
    assert.same({ t = "x" }, model.consumers[1].tags)
    assert.matches('consumer "a" is declared already at .*:2',
      wrong 'consumer "a" {}\nconsumer "a" {}')
    assert.equal('consumer "a": is 7; expected a table', wrong 'consumer "a" (7)')
    assert.equal('consumer "b" has the same key as consumer "a"',
      wrong 'consumer "a" { keys = { "1" } }\nconsumer "b" { keys = { "1" } }')
    assert.equal('consumer "a" has an empty key', wrong 'consumer "a" { keys = { "" } }')
    assert.equal('consumer "a": keys[1] is what was given; expected a string, or '
      .. '{ "...", expires = "..." }',
      wrong 'consumer "a" { keys = { 12345 } }')
  end)

  it("remembers what came from outside as secret", function()
    assert.is_true(load('consumer "a" { keys = { env "KEY" } }').secrets.hunter2)
  end)
end)
