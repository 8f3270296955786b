local check = require "moongate.config.check"

local OPTIONS = {
  header = { type = "string", default = "x-key", help = "the header" },
  limit = { type = "integer", required = true, min = 1, max = 10, help = "how many" },
  window = { type = "duration", default = "1m", help = "in what time" },
  memory = { type = "size", default = 0, zero = true, min = 1024, help = "bytes" },
  by = { type = "by", default = "address", help = "counted by" },
  mode = { type = "string", values = { "one", "two" }, help = "which" },
  token = { type = "string", secret = true, values = { "right" }, help = "a secret" },
  names = { type = "list", items = { type = "string" }, help = "several" },
  set = { type = "map", items = { type = "string" }, help = "by name" },
  nested = { type = "table", help = "inside", fields = {
    depth = { type = "number", min = 0, help = "how deep" },
  } },
}

local function checked(given)
  local messages = {}
  local result = check.options(OPTIONS, given, function(message)
    messages[#messages + 1] = message
  end)
  table.sort(messages)
  return result, messages
end

local function wrong(given)
  if given.limit == nil then given.limit = 1 end
  local _, messages = checked(given)
  return messages
end

describe("config.check", function()
  it("fills in defaults, converted", function()
    local result, messages = checked { limit = 3 }
    assert.same({}, messages)
    assert.equal("x-key", result.header)
    assert.equal(60, result.window)
    assert.equal("10.0.0.1", result.by { address = "10.0.0.1" })
    assert.is_nil(result.mode)
  end)

  it("converts what was given", function()
    local result = checked { limit = 3, window = "250ms", memory = "2k", names = { "a" } }
    assert.equal(0.25, result.window)
    assert.equal(2048, result.memory)
    assert.same({ "a" }, result.names)
  end)

  it("says all that is wrong", function()
    local _, messages = checked { heade = "x", window = "soon", mode = "three", [1] = "stray" }
    assert.same({
      'heade is not known here; did you mean "header"?',
      "limit is missing; it is how many",
      'mode is "three"; expected one of "one", "two"',
      'the table has an entry without a name: "stray"',
      'window is "soon"; expected a duration: seconds, or "250ms", "5s", "1m", "1h"',
    }, messages)
  end)

  it("holds numbers against their bounds", function()
    assert.same({ "limit is 0; expected between 1 and 10" }, wrong { limit = 0 })
    assert.same({ "limit is 11; expected between 1 and 10" }, wrong { limit = 11 })
    assert.same({ "limit is 1.5; expected a whole number" }, wrong { limit = 1.5 })
    assert.same({}, wrong { limit = 10 })
    assert.same({ "memory is 1023; expected at least 1024" }, wrong { memory = 1023 })
  end)

  it("takes 0 below a minimum only where it has a meaning", function()
    assert.same({}, wrong { memory = 0 })
    assert.same({}, wrong { nested = { depth = 0 } })
    assert.same({ "nested.depth is -1; expected at least 0" }, wrong { nested = { depth = -1 } })
  end)

  it("names where in a table something is wrong", function()
    assert.same({ "names[2] is 7; expected a string" }, wrong { names = { "a", 7 } })
    assert.same({ "set.x is true; expected a string" }, wrong { set = { x = true } })
    assert.same({ 'nested.dept is not known here; did you mean "depth"?' },
      wrong { nested = { dept = 1 } })
  end)

  it("tells lists from maps", function()
    assert.same({ 'names has the name "x" in it; expected a list' }, wrong { names = { x = "a" } })
    assert.same({ "names has a hole at 1; expected a list" }, wrong { names = { [2] = "a" } })
    assert.same({ "names is \"a\"; expected a list" }, wrong { names = "a" })
    assert.same({ "set has an entry without a name; expected a table of names and values" },
      wrong { set = { "a" } })
  end)

  it("never shows a secret", function()
    local messages = wrong { token = "hunter2" }
    assert.same({ 'token is what was given; expected one of "right"' }, messages)
    assert.same({ "token is what was given; expected a string" }, wrong { token = 12345 })
  end)

  it("leaves what it was given as it was", function()
    local given = { limit = 1, window = "1s", names = { "a" } }
    local result = checked(given)
    result.names[1] = "b"
    assert.same({ limit = 1, window = "1s", names = { "a" } }, given)
  end)
end)
