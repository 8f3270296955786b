local note = require "moongate.note"
local parts = require "moongate.parts"

describe("note", function()
  local serial = 0

  -- The request of another exchange, in that slot of the pool.
  local function request(slot)
    serial = serial + 1
    return { [parts.HANDLE] = { slot = slot, serial = serial } }
  end

  local one, other, third = {}, {}, {}

  it("keeps a value for a request", function()
    local req, beside = request(0), request(1)
    note.set(req, one, "a")
    note.set(beside, one, "b")
    assert.equal("a", note.get(req, one))
    assert.equal("b", note.get(beside, one))
  end)

  it("has nothing for who noted nothing", function()
    local req = request(7)
    assert.is_nil(note.get(req, one))
    note.set(req, one, 1)
    assert.is_nil(note.get(req, other))
  end)

  it("forgets with the exchange, though the slot is used again", function()
    note.set(request(3), one, "before")
    local req = request(3)
    assert.is_nil(note.get(req, one))
    note.set(req, other, "now")
    assert.is_nil(note.get(req, one))
    assert.equal("now", note.get(req, other))
  end)

  it("keeps several apart, each the last that was noted", function()
    local req = request(5)
    for round = 1, 2 do
      note.set(req, one, "one " .. round)
      note.set(req, other, "other " .. round)
      note.set(req, third, "third " .. round)
    end
    assert.equal("one 2", note.get(req, one))
    assert.equal("other 2", note.get(req, other))
    assert.equal("third 2", note.get(req, third))
  end)

  it("keeps a second value with the first", function()
    local req = request(8)
    note.set(req, one, 1, "one")
    note.set(req, other, 2, "other")
    assert.same({ 1, "one" }, { note.get(req, one) })
    assert.same({ 2, "other" }, { note.get(req, other) })
    note.set(req, other, 3)
    assert.same({ 3, nil }, { note.get(req, other) })
  end)

  it("keeps false", function()
    local req = request(6)
    note.set(req, one, false)
    assert.is_false(note.get(req, one))
  end)
end)
