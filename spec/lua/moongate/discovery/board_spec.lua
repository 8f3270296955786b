-- Lists in a shared dictionary: whoever dies between two writes leaves a whole one, old or new.

local KILLED = "killed"

describe("discovery.board", function()
  local board, values, writes_left, saved
  local source = { name = "orders", key = "orders k" }

  -- As moongate.dict, but that its user is killed once it has written so often.
  local function fake_dict()
    local dict = {}
    local function write(key, value)
      if writes_left == 0 then error(KILLED, 0) end
      writes_left = writes_left - 1
      values[key] = value
      return true
    end
    function dict.get(_, key) return values[key] end
    function dict.set(_, key, value) return write(key, value) end
    function dict.add(_, key, value) return values[key] == nil and write(key, value) end
    function dict.delete(_, key) return write(key, nil) end
    function dict.increment(_, key)
      write(key, (values[key] or 0) + 1)
      return values[key]
    end
    return dict
  end

  setup(function()
    saved = {}
    local fakes = {
      ["moongate.dict"] = function() return fake_dict() end,
      ["moongate.ffi"] = { C = { moon_worker_number = function() return 0 end } },
      ["moongate.json"] = require "cjson",
    }
    fakes["moongate.discovery.board"] = false
    for name, fake in pairs(fakes) do
      saved[name] = package.loaded[name] or false
      package.loaded[name] = fake or nil
    end
    board = require "moongate.discovery.board"
  end)

  teardown(function()
    for name, module in pairs(saved) do package.loaded[name] = module or nil end
  end)

  before_each(function()
    values, writes_left = {}, math.huge
  end)

  it("has the old list or the new one, whenever its writer is killed", function()
    local old, new = ("a"):rep(40000), ("b"):rep(70000)
    local is_done, writes, seen_new = false, 0, false
    while not is_done do
      values, writes_left = {}, math.huge
      assert(board.publish(source, old))
      local changes = board.changes()
      writes_left = writes
      is_done = pcall(board.publish, source, new)
      local text = board.list(source)
      assert.is_true(text == old or text == new, writes)
      assert.is_true(text == new or board.changes() == changes) -- nobody looks in vain
      seen_new = seen_new or text == new
      writes_left = math.huge -- the next one
      assert(board.publish(source, "[]"))
      assert.equal("[]", (board.list(source)))
      writes = writes + 1
    end
    assert.is_true(seen_new and writes > 7)
  end)

  it("is in force until another source of the upstream has one", function()
    local other = { name = "orders", key = "orders other" }
    assert(board.publish(source, "[1]"))
    assert.equal("[1]", (board.list(board.standing(other))))
    assert(board.publish(other, "[2]"))
    assert.equal("[2]", (board.list(board.standing(other))))
    assert.is_nil((board.list(board.standing { name = "users", key = "users k" })))
  end)

  it("leases asking to one", function()
    assert.is_true(board.claim(source))
    assert.is_true(board.holds(source))
    values["lease orders k"] = "another"
    assert.is_false(board.claim(source))
    board.release(source)
    assert.equal("another", values["lease orders k"])
  end)

  it("says how it is for people", function()
    assert.equal("dns a:80; no list yet; failed 2 times in a row: no name server answered",
      board.sentence { source = "dns a:80", targets = 0, failures = 2,
        error = "no name server answered" })
    assert.equal("dns a:80; 3 targets as of 1970-01-01T00:00:01Z; asked again at "
      .. "1970-01-01T00:01:01Z", board.sentence { source = "dns a:80", targets = 3, failures = 0,
        updated = 1, next = 61 })
  end)
end)
