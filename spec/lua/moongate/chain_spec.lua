-- The functions of abi.h have to be seen by ffi.C, as they are in the binary.
require "ffi".load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so", true)
local chain = require "moongate.chain"
local parts = require "moongate.parts"
local reply = require "moongate.reply"

describe("chain", function()
  local made, calls

  local function plugin(name, phases)
    local one = {}
    for _, phase in ipairs(phases) do
      one[phase] = function(self)
        calls[#calls + 1] = ("%s.%s(%s)"):format(name, phase, self.id)
        return self.returns
      end
    end
    return one
  end

  local function step(name, given, id, more)
    local one = { name = name, plugin = given, instance = { id = id } }
    for key, value in pairs(more or {}) do one[key] = value end
    return one
  end

  local function request()
    return { [parts.STATE] = {
      [parts.STEP] = 0, [parts.ASKED] = 0, [parts.ACTIVE] = 0, [parts.BARRED] = false,
    } }
  end

  before_each(function()
    made = chain.maker()
    calls = {}
  end)

  it("shares functions between routes of one shape, and arrays between equal lists", function()
    local auth, other = plugin("auth", { "request" }), plugin("other", { "request" })
    local first, second = step("auth", auth, 1), step("auth", auth, 2)
    local shape_one, array_one = made { first }
    local shape_two, array_two = made { second }
    local shape_three, array_three = made { first }
    assert.equal(shape_one, shape_two)
    assert.equal(shape_one, shape_three)
    assert.equal(array_one, array_three)
    assert.are_not.equal(array_one, array_two)
    assert.are_not.equal(shape_one, (made { step("other", other, 1) }))
    assert.are_not.equal(shape_one, (made { first, second }))
  end)

  it("tells shapes apart by phases, when and on_error", function()
    local observer = plugin("observer", { "response", "log" })
    function observer.phases(instance) return { response = instance.id == 1, log = true } end
    local one = step("observer", observer, 1)
    local seen = {}
    for _, given in ipairs {
      one, step("observer", observer, 2),
      step("observer", observer, 1, { when = function() end }),
      step("observer", observer, 1, { on_error = "continue" }),
    } do
      local shape = made { given }
      assert.is_nil(seen[shape])
      seen[shape] = true
    end
  end)

  it("knows the phases that take part", function()
    local shape = made { step("a", plugin("a", { "request", "log" }), 1),
      step("b", plugin("b", { "response" }), 2) }
    assert.equal(1 + 4 + 32, shape.mask)
    assert.is_function(shape.request)
    assert.is_nil(shape.respond)
    assert.is_nil(shape.response_chunk)
    assert.equal(0, (made {}).mask)
  end)

  it("runs requests in order, responses in reverse, with each one's instance", function()
    local both = plugin("p", { "request", "response" })
    local shape, array = made { step("p", both, 1), step("p", both, 2) }
    shape.request(request(), array)
    shape.response(request(), {}, array)
    assert.same({ "p.request(1)", "p.request(2)", "p.response(2)", "p.response(1)" }, calls)
  end)

  it("ends the request phase with what a plugin returns", function()
    local deciding = plugin("p", { "request" })
    local first = step("p", deciding, 1)
    first.instance.returns = reply.text(200, "x")
    local shape, array = made { first, step("p", deciding, 2) }
    assert.equal(first.instance.returns, shape.request(request(), array))
    assert.same({ "p.request(1)" }, calls)
  end)

  it("hands a body from one plugin to the next", function()
    local function changes(text)
      return { response_body = function(_, _, _, body) return body .. text end }
    end
    local silent = { response_body = function() end }
    local shape, array = made { step("a", changes "a", 1), step("s", silent, 2),
      step("b", changes "b", 3) }
    assert.equal("xba", shape.response_body(request(), {}, array, "x"))
    assert.same({ 1, 2, 3 }, shape.body_steps)
  end)

  it("asks a condition once, and skips the plugin in all phases when it says no", function()
    local both, asked = plugin("p", { "request", "response" }), 0
    local shape, array = made {
      step("p", both, 1, { when = function() asked = asked + 1 return false end }),
      step("p", both, 2, { when = function() return true end }),
    }
    local req = request()
    shape.request(req, array)
    shape.response(req, {}, array)
    assert.same({ "p.request(2)", "p.response(2)" }, calls)
    assert.equal(1, asked)
  end)

  it("notes the step that runs, and leaves barred ones out of the response", function()
    local raising = { response = function() error "x" end }
    local good = plugin("good", { "response" })
    local shape, array = made { step("good", good, 1), step("raising", raising, 2) }
    local req = request()
    assert.has_error(function() shape.response(req, {}, array) end)
    assert.equal("raising", shape.names[req[parts.STATE][parts.STEP]])
    req[parts.STATE][parts.BARRED] = { [2] = true }
    shape.response(req, {}, array)
    assert.same({ "good.response(1)" }, calls)
  end)

  it("takes very long lists", function()
    local one, steps = plugin("p", { "request" }), {}
    for i = 1, 300 do steps[i] = step("p", one, i) end
    local shape, array = made(steps)
    shape.request(request(), array)
    assert.equal(300, #calls)
  end)

  it("refuses more conditions than it has bits for", function()
    local one, steps = plugin("p", { "request" }), {}
    for i = 1, 32 do steps[i] = step("p", one, i, { when = function() end }) end
    assert.has_error(function() made(steps) end,
      "32 plugins have a `when`; expected at most 31")
  end)
end)
