-- What the binary says of plugins that do not load, or are not given what they need.

local gateway = require "spec.support.gateway"

local function errors_of(files, entry)
  local code, _, err = gateway.run({ "check" }, { files = files, config = ([[
listen "127.0.0.1:0"
route "GET /" { upstream = "http://127.0.0.1:9", plugins = { %s } }
]]):format(entry or '{ "own" }') })
  assert.equal(err == "" and 0 or 1, code)
  return (err:gsub("/%S-/moongate%-spec%-%w+/", ""))
end

local function own(text) return { ["plugins/own.lua"] = text } end

describe("a plugin", function()
  it("is found beside the configuration, file or folder, before the bundled ones", function()
    local good = 'return { summary = "S.", options = { %s = { type = "string", help = "" } } }'
    assert.equal("", errors_of(own(good:format "x")))
    assert.equal("", errors_of { ["plugins/own/init.lua"] = good:format "x" })
    assert.equal("", errors_of({ ["plugins/key-auth.lua"] = good:format "mine" },
      '{ "key-auth", mine = "yes" }'))
  end)

  it("may have modules of its own", function()
    assert.equal("", errors_of { ["plugins/own/init.lua"] = 'return require "own.part"',
      ["plugins/own/part.lua"] = 'return { summary = "S.", options = {} }' })
  end)

  it("that is not there gets the nearest name", function()
    assert.equal('gateway.lua:2: there is no plugin "key-aut"; did you mean "key-auth"?\n',
      errors_of({}, '{ "key-aut" }'))
  end)

  it("that is no Lua, or raises, says where", function()
    assert.matches('plugin "own" does not load: plugins/own.lua:1: ', errors_of(own "x = = 1"))
    assert.matches('plugin "own" does not load: plugins/own.lua:2: broken',
      errors_of(own '\nerror "broken"'))
  end)

  it("is a table with a summary, options and phases that exist", function()
    assert.matches("it returns nil; expected a table", errors_of(own "return nil"))
    assert.matches("it has no summary; it has no options; expected a table",
      errors_of(own "return {}"))
    assert.matches("reqeust is no phase; did you mean request%?", errors_of(own
      'return { summary = "S.", options = {}, reqeust = function() end }'))
    assert.matches("request is a string; expected a function", errors_of(own
      'return { summary = "S.", options = {}, request = "x" }'))
  end)

  it("may have functions of its own beside the phases", function()
    assert.equal("", errors_of(own
      'return { summary = "S.", options = {}, requests = function() end }'))
  end)

  it("that is missing is not missed as an answer, too", function()
    local code, _, err = gateway.run({ "check" }, { config = [[
listen "127.0.0.1:0"
route "GET /" { plugins = { { "nothing-like-it" } } }
]] })
    assert.equal(1, code)
    local _, lines = err:gsub("\n", "")
    assert.equal(1, lines)
    assert.matches('there is no plugin "nothing%-like%-it"', err)
  end)

  it("has its fault told once, however many routes name it", function()
    local said = errors_of({}, '{ "nothing-like-it" } } }\nroute "GET /2" { upstream = '
      .. '"http://127.0.0.1:9", plugins = { { "nothing-like-it" }')
    local _, count = said:gsub("there is no plugin", "")
    assert.equal(1, count)
  end)

  it("is given checked options, or what is wrong with them is said", function()
    local text = [[return { summary = "S.",
      options = { a = { type = "integer", required = true, min = 1, help = "how many" } },
      check = function(options) if options.a == 7 then return "7 is unlucky" end end,
      new = function(options)
        if options.a == 8 then return nil, "8 is too many" end
        if options.a == 9 then error "9!" end
        return { twice = options.a * 2 }
      end }]]
    assert.equal("gateway.lua:2: own: a is missing; it is how many\n", errors_of(own(text)))
    assert.equal("gateway.lua:2: own: a is 0; expected at least 1\n",
      errors_of(own(text), '{ "own", a = 0 }'))
    assert.equal("gateway.lua:2: own: 7 is unlucky\n", errors_of(own(text), '{ "own", a = 7 }'))
    assert.equal("gateway.lua:2: own: 8 is too many\n", errors_of(own(text), '{ "own", a = 8 }'))
    assert.matches("own: new raised: .*9!", errors_of(own(text), '{ "own", a = 9 }'))
    assert.equal("", errors_of(own(text), '{ "own", a = 1 }'))
  end)

  it("is written as a table that begins with its name", function()
    assert.equal("", errors_of({}, '"key-auth"'))
    for _, entry in ipairs { "7", "{}", '{ header = "x" }' } do
      assert.equal('gateway.lua:2: a plugin is written { "name", option = value }\n',
        errors_of({}, entry))
    end
  end)

  it("takes when, and on_error only where it does not decide", function()
    assert.equal("", errors_of({}, '{ "key-auth", when = function() return true end }'))
    assert.equal("gateway.lua:2: key-auth: when is 1; expected a function\n",
      errors_of({}, '{ "key-auth", when = 1 }'))
    assert.matches('key%-auth: on_error = "continue" is for observers; this plugin decides',
      errors_of({}, '{ "key-auth", on_error = "continue" }'))
    assert.equal("", errors_of({}, '{ "metrics", on_error = "continue" }'))
  end)
end)
