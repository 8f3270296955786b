--- store_spec: values that survive the process, and what is told of their changes.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local C = runtime.include("store/store.h", "net/loop.h")
local slice, text = runtime.slice, runtime.text

describe("store", function()
  local loop, folder, opened

  local function try_open(path, bytes_max)
    local reason = ffi.new "char[256]"
    local options = ffi.new("struct store_options", path, bytes_max or 0)
    local store = C.store_open(loop, options, reason)
    if store == nil then return nil, ffi.string(reason) end
    opened[#opened + 1] = store
    return store
  end

  local function open(bytes_max) return assert(try_open(folder, bytes_max)) end

  local function close(store)
    for i, one in ipairs(opened) do
      if one == store then table.remove(opened, i) end
    end
    C.store_close(runtime.box("struct store *", store))
  end

  before_each(function()
    loop, opened = runtime.new_loop(), {}
    folder = system.temporary_directory() .. "/store"
  end)

  after_each(function()
    while opened[1] do close(opened[1]) end
    runtime.end_loop(loop)
  end)

  -- { { change = C.STORE_PUT, key = "a", value = "1" }, ... } as a batch under way.
  local function begin(store, list)
    local one = { count = 0, kept = {} }
    one.operations = ffi.new("struct store_operation[?]", math.max(#list, 1))
    for i, given in ipairs(list) do
      local operation = one.operations[i - 1]
      for name, value in pairs(given) do
        if type(value) == "string" then
          one.kept[#one.kept + 1] = slice(value)
          value = one.kept[#one.kept]
        end
        operation[name] = value
      end
    end
    one.batch = ffi.new "struct store_batch"
    one.batch.operations, one.batch.count = one.operations, #list
    one.done = ffi.cast("void (*)(struct store_batch *)", function() one.is_done = true end)
    one.batch.done = one.done
    one.is_taken = C.store_commit(store, one.batch)
    return one
  end

  local function finish(one)
    runtime.run_until(loop, function() return one.is_done end)
    one.done:free()
    return one.batch.outcome, one
  end

  local function commit(store, list) return finish(begin(store, list)) end

  local function put(store, key, value, fields)
    local operation = { change = C.STORE_PUT, key = key, value = value }
    for name, field in pairs(fields or {}) do operation[name] = field end
    return commit(store, { operation })
  end

  local function get(store, key)
    local record = ffi.new "struct store_record"
    local outcome = C.store_get(store, slice(key), record)
    if outcome == C.STORE_DONE then return text(record.value), tonumber(record.expires_ms) end
    assert.equal(C.STORE_MISSING, outcome)
    return nil
  end

  local function keys(store, prefix)
    local record, after, list = ffi.new "struct store_record", "", {}
    while C.store_next(store, slice(prefix), slice(after), record) == C.STORE_DONE do
      after = text(record.key)
      list[#list + 1] = after
    end
    return list
  end

  local function changes(store, serial)
    local record, at, list = ffi.new "struct store_record", ffi.new("uint64_t[1]", serial), {}
    local outcome = C.store_next_change(store, at, record)
    while outcome == C.STORE_DONE do
      list[#list + 1] = text(record.key)
      outcome = C.store_next_change(store, at, record)
    end
    return list, tonumber(at[0]), outcome
  end

  it("keeps values, also of any bytes, and gives them back after it was opened again", function()
    local store = open()
    local bytes = "\0\1\255" .. ("x"):rep(100000)
    assert.equal(C.STORE_DONE, put(store, "a", "1"))
    assert.equal(C.STORE_DONE, put(store, "b\0c", bytes))
    assert.equal(C.STORE_DONE, put(store, "empty", ""))
    close(store)
    store = open()
    assert.equal("1", get(store, "a"))
    assert.equal(bytes, get(store, "b\0c"))
    assert.equal("", get(store, "empty"))
    assert.is_nil(get(store, "b"))
    put(store, "a", "2")
    assert.equal("2", get(store, "a"))
    commit(store, { { change = C.STORE_DELETE, key = "a" } })
    assert.is_nil(get(store, "a"))
  end)

  it("does not answer before it is on the disk, and never stops the loop", function()
    local store = open()
    local one = begin(store, { { change = C.STORE_PUT, key = "a", value = "1" } })
    assert.is_nil(one.is_done)
    assert.equal(C.STORE_DONE, (finish(one)))
  end)

  it("does a batch as a whole or not at all", function()
    local store = open()
    put(store, "a", "1")
    local outcome, one = commit(store, {
      { change = C.STORE_PUT, key = "b", value = "2" },
      { change = C.STORE_DELETE, key = "a" },
      { change = C.STORE_CHECK, key = "a", condition = C.STORE_IF_EQUAL, expected = "0" },
    })
    assert.equal(C.STORE_CONFLICT, outcome)
    assert.equal(2, tonumber(one.batch.failed_at))
    assert.equal("1", get(store, "a"))
    assert.is_nil(get(store, "b"))
  end)

  it("compares before it sets", function()
    local store = open()
    local absent = { condition = C.STORE_IF_ABSENT }
    assert.equal(C.STORE_CONFLICT, put(store, "a", "1", { condition = C.STORE_IF_PRESENT }))
    assert.equal(C.STORE_DONE, put(store, "a", "1", absent))
    assert.equal(C.STORE_CONFLICT, put(store, "a", "2", absent))
    assert.equal(C.STORE_CONFLICT, put(store, "a", "2",
      { condition = C.STORE_IF_EQUAL, expected = "11" }))
    assert.equal(C.STORE_DONE, put(store, "a", "2",
      { condition = C.STORE_IF_EQUAL, expected = "1" }))
    assert.equal("2", get(store, "a"))
  end)

  it("adds to whole numbers, and to nothing else", function()
    local store = open()
    local function add(key, amount)
      local outcome, one = commit(store, { { change = C.STORE_ADD, key = key, amount = amount } })
      return outcome == C.STORE_DONE and tonumber(one.operations[0].sum) or outcome
    end
    assert.equal(5, add("n", 5))
    assert.equal(-2, add("n", -7))
    assert.equal("-2", get(store, "n"))
    put(store, "text", "12 apples")
    assert.equal(C.STORE_NOT_NUMBER, add("text", 1))
    put(store, "largest", "9223372036854775807")
    assert.equal(C.STORE_NOT_NUMBER, add("largest", 1))
    assert.equal("9223372036854775807", get(store, "largest"))
  end)

  it("raises whole numbers, as often as one likes", function()
    local store = open()
    local function raise(key, amount)
      local outcome, one = commit(store, { { change = C.STORE_RAISE, key = key, amount = amount } })
      return outcome == C.STORE_DONE and tonumber(one.operations[0].sum) or outcome
    end
    assert.equal(5, raise("n", 5))
    assert.equal(5, raise("n", 5))
    assert.equal(5, raise("n", 3))
    assert.equal("5", get(store, "n"))
    assert.equal(9, raise("n", 9))
    put(store, "text", "12 apples")
    assert.equal(C.STORE_NOT_NUMBER, raise("text", 1))
  end)

  it("forgets what has expired, and takes it out of the file", function()
    local store = open()
    local soon = os.time() * 1000 + 4000
    put(store, "a", "1", { expires_ms = soon })
    put(store, "b", "1", { expires_ms = soon + 3600 * 1000 })
    put(store, "c", "1", { expires_ms = soon })
    put(store, "c", "2") -- for good now
    commit(store, { { change = C.STORE_ADD, key = "n", amount = 3, expires_ms = soon } })
    commit(store, { { change = C.STORE_ADD, key = "n", amount = 3 } })
    local value, expires = get(store, "a")
    assert.same({ "1", soon }, { value, expires })
    assert.equal("6", get(store, "n"))
    wait.that(function()
      runtime.run(loop, 0.01)
      return get(store, "a") == nil
    end)
    assert.same({ "b", "c" }, keys(store, ""))
    assert.equal("2", get(store, "c"))
    local before = tonumber(C.store_serial(store))
    assert.equal(C.STORE_DONE, put(store, "a", "2", { condition = C.STORE_IF_ABSENT }))
    assert.same({ "a", "n", "a" }, (changes(store, before))) -- swept, then put
  end)

  it("lists keys by prefix, in order", function()
    local store = open()
    for _, key in ipairs { "b/2", "a/9", "b/10", "b", "b/1", "c", "b0" } do put(store, key, key) end
    assert.same({ "b/1", "b/10", "b/2" }, keys(store, "b/"))
    assert.same({ "a/9", "b", "b/1", "b/10", "b/2", "b0", "c" }, keys(store, ""))
    assert.same({}, keys(store, "d"))
  end)

  it("tells which keys have changed, in order, across reopening", function()
    local store = open()
    assert.equal(0, tonumber(C.store_serial(store)))
    put(store, "a", "1")
    commit(store, {
      { change = C.STORE_PUT, key = "b", value = "1" }, { change = C.STORE_DELETE, key = "a" },
      { change = C.STORE_DELETE, key = "never" },
    })
    close(store)
    store = open()
    put(store, "c", "1")
    local list, serial, outcome = changes(store, 0)
    assert.same({ "a", "b", "a", "c" }, list)
    assert.equal(4, serial)
    assert.equal(C.STORE_MISSING, outcome)
    assert.same({ "a", "c" }, (changes(store, 2)))
  end)

  it("says that changes are lost to who comes too late for them", function()
    local store = open()
    local list = {}
    for i = 1, 1000 do list[i] = { change = C.STORE_PUT, key = "k" .. i, value = "" } end
    for _ = 1, 10 do commit(store, list) end
    put(store, "last", "1")
    local _, serial, outcome = changes(store, 0)
    assert.equal(C.STORE_LOST, outcome)
    assert.equal(10001, serial)
    list = changes(store, 1)
    assert.equal(10000, #list)
    assert.equal("last", list[10000])
  end)

  it("tells other processes that have it open", function()
    local store = open()
    put(store, "a", "1")
    local child = process.fork(function()
      local loop_of_child = runtime.new_loop()
      local options = ffi.new("struct store_options", folder, 0)
      local other = C.store_open(loop_of_child, options, ffi.new "char[256]")
      assert(other ~= nil)
      loop = loop_of_child
      assert(put(other, "b", "from the child") == C.STORE_DONE)
      assert(get(other, "a") == "1")
      C.store_close(runtime.box("struct store *", other))
    end)
    assert.equal(0, child:wait(30))
    assert.equal("from the child", get(store, "b"))
    assert.same({ "b" }, (changes(store, 1)))
  end)

  it("takes what comes meanwhile together", function()
    local store = open()
    local all = {}
    for i = 1, 200 do
      all[i] = begin(store, { { change = C.STORE_ADD, key = "sum", amount = 1 } })
    end
    for i = 1, 200 do
      assert.equal(C.STORE_DONE, (finish(all[i])))
      assert.equal(i, tonumber(all[i].operations[0].sum))
    end
  end)

  it("finishes what it has begun before it closes", function()
    local store = open()
    local first = begin(store, { { change = C.STORE_PUT, key = "a", value = "1" } })
    local second = begin(store, { { change = C.STORE_PUT, key = "b", value = "1" } })
    close(store)
    assert.is_true(first.is_done and second.is_done)
    store = open()
    assert.same({ "a", "b" }, keys(store, ""))
    finish(first)
    finish(second)
  end)

  it("refuses what is too large, or nothing", function()
    local store = open()
    assert.is_false(begin(store, {}).is_taken)
    assert.is_false(begin(store, { { change = C.STORE_PUT, key = "", value = "1" } }).is_taken)
    assert.is_false(begin(store,
      { { change = C.STORE_PUT, key = ("k"):rep(481), value = "1" } }).is_taken)
    assert.is_false(begin(store,
      { { change = C.STORE_PUT, key = "k", value = ("v"):rep(1048577) } }).is_taken)
    assert.equal(C.STORE_DONE, put(store, ("k"):rep(480), ("v"):rep(1048576)))
    assert.is_nil(get(store, ("k"):rep(481)))
  end)

  it("fails what has no room, and nothing else", function()
    local store = open(1048576)
    local large = ("x"):rep(500000)
    assert.equal(C.STORE_DONE, put(store, "a", "1"))
    local first = begin(store, { { change = C.STORE_PUT, key = "b", value = large } })
    local too_large = begin(store, { { change = C.STORE_PUT, key = "c", value = large .. large } })
    local last = begin(store, { { change = C.STORE_ADD, key = "n", amount = 2 } })
    assert.equal(C.STORE_DONE, (finish(first)))
    assert.equal(C.STORE_FULL, (finish(too_large)))
    assert.equal(C.STORE_DONE, (finish(last)))
    assert.equal("2", get(store, "n"))
    assert.same({ "a", "b", "n" }, keys(store, ""))
  end)

  it("says why it cannot be opened", function()
    local file = folder:gsub("/store$", "/file")
    system.write_file(file, "no folder")
    local _, reason = try_open(file)
    assert.matches("file cannot be opened: Not a directory", reason)
    system.write_file(folder .. "/data.mdb", ("no store "):rep(2000))
    _, reason = try_open(folder)
    assert.matches("its file is not a store's", reason)
    _, reason = try_open(folder .. "/none/below")
    assert.matches("No such file or directory", reason)
  end)
end)
