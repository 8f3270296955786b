--- ffi_spec: nothing has an effect while plugins are loaded.

local gateway = require "spec.support.gateway"

local PLUGIN = [[
local moongate = require "moongate"
local function has_an_effect()
  %s
end
has_an_effect()
return { summary = "Has an effect too early.", options = {}, request = function() end }
]]

-- What a plugin may not do yet, and how the error begins.
local EFFECTS = {
  { 'moongate.metrics.counter("a_total"):add(1)', "counting" },
  { 'moongate.metrics.counter("a_total", "", { "b" }):with("c"):add(1)', "counting" },
  { 'moongate.metrics.gauge("a"):set(1)', "counting" },
  { 'moongate.metrics.histogram("a_seconds"):observe(1)', "counting" },
  { 'moongate.counter("a_total"):add(1)', "counting" },
  { 'moongate.limit.gcra({ name = "a", limit = 1, window = 1 }):take("b")', "a limit" },
  { 'moongate.dict("a"):get("b")', "a dictionary" },
  { 'moongate.dict("a"):set("b", 1)', "a dictionary" },
  { 'moongate.dict("a"):add("b", 1)', "a dictionary" },
  { 'moongate.dict("a"):increment("b")', "a dictionary" },
  { 'moongate.dict("a"):delete("b")', "a dictionary" },
  { "moongate.sleep(0)", "sleep" },
  { "moongate.spawn(print)", "spawn" },
  { "moongate.every(1, print)", "every" },
  { "moongate.all { print }", "all" },
  { 'moongate.fetch "http://127.0.0.1:1/"', "fetch" },
}

describe("while a plugin is loaded", function()
  for _, effect in ipairs(EFFECTS) do
    it(effect[1] .. " raises where it stands", function()
      local code, _, err = gateway.run({ "check" }, {
        config = 'listen "127.0.0.1:0"\nuse { { "early" } }',
        files = { ["plugins/early.lua"] = PLUGIN:format(effect[1]) },
      })
      assert.equal(1, code)
      local expected = ("plugins/early.lua:3: %s works only while the gateway serves")
        :format(effect[2])
      assert.is_truthy(err:find(expected, 1, true), err)
    end)
  end
end)
