local gateway = require "spec.support.gateway"

local run = gateway.run

describe("moongate", function()
  it("alone explains itself, and fails", function()
    local code, out, err = run {}
    assert.equal(2, code)
    assert.equal("", out)
    assert.matches("^usage: moongate VERB", err)
  end)

  it("explains itself when asked", function()
    for _, word in ipairs { "help", "--help", "-h" } do
      local code, out, err = run { word }
      assert.same({ 0, "" }, { code, err })
      assert.matches("^usage: moongate VERB", out)
    end
  end)

  it("names the nearest verb and option", function()
    local code, _, err = run { "chekc" }
    assert.equal(2, code)
    assert.matches('there is no verb "chekc"; did you mean "check"%?', err)
    code, _, err = run { "check", "--jsno" }
    assert.equal(2, code)
    assert.matches('there is no option %-%-jsno; did you mean "%-%-json"%?', err)
    code, _, err = run { "explain", "GET", "/", "--sin", "a" }
    assert.equal(2, code)
    assert.matches('did you mean "%-%-sni"%?', err)
  end)

  it("refuses words that are too many, too few, or lack their value", function()
    local rows = {
      { { "check", "more" }, '"more" is one word too many' },
      { { "routes", "more" }, '"more" is one word too many' },
      { { "explain", "GET" }, "something is missing" },
      { { "explain" }, "something is missing" },
      { { "check", "-c" }, "%-c needs a value" },
      { { "run", "-c" }, "%-c needs a file" },
      { { "run", "--json" }, '"%-%-json" is not an option of it' },
      { { "version", "x" }, '"x" is not an option of it' },
      { { "new", "route", "x" }, "a plugin's name has lower%-case" },
    }
    for _, row in ipairs(rows) do
      local code, out, err = run(row[1])
      assert.same({ 2, "" }, { code, out }, table.concat(row[1], " "))
      assert.matches(row[2], err)
    end
  end)

  it("prints its version, for programs too", function()
    local _, out = run { "version" }
    local version = out:match "^moongate (%d+%.%d+%.%d+)\n$"
    assert.is_string(version)
    assert.equal(('{"version":"%s"}\n'):format(version), select(2, run { "version", "--json" }))
  end)
end)
