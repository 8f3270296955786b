local ffi = require "ffi"
local native = require "spec.support.native"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

native.declare [[
struct sink;
struct sink *sink_open(const char *path, char *error);
void sink_release(struct sink **sink);
bool sink_write(struct sink *sink, struct slice line);
uint64_t sink_dropped(struct sink *sink);
void sinks_start(void (*report)(const char *text));
void sinks_stop(void);
void sinks_reopen(void);
void sinks_rescue(void);
int spec_mkfifo(const char *, unsigned) __asm__("mkfifo");
intptr_t spec_read(int, void *, size_t) __asm__("read");
]]
local C = native.C

local QUEUE_BYTES_MAX = 1048576
local O_RDONLY_NONBLOCK = 2048

describe("sink", function()
  local directory, path, opened

  local function open(name)
    local problem = ffi.new "char[512]"
    local sink = C.sink_open(name or path, problem)
    if sink == nil then return nil, ffi.string(problem) end
    local box = ffi.new("struct sink *[1]", sink)
    opened[#opened + 1] = box
    return sink, box
  end

  local function write(sink, text)
    return C.sink_write(sink, native.slice(text))
  end

  local function content(name)
    return system.read_file(name or path) or ""
  end

  local function fifo()
    local name = directory .. "/fifo"
    assert(ffi.C.spec_mkfifo(name, tonumber("600", 8)) == 0)
    return name, system.C.spec_open(name, O_RDONLY_NONBLOCK, 0)
  end

  local function read_all(fd)
    local bytes, pieces = ffi.new "char[65536]", {}
    while true do
      local count = tonumber(ffi.C.spec_read(fd, bytes, 65536))
      if count <= 0 then return table.concat(pieces) end
      pieces[#pieces + 1] = ffi.string(bytes, count)
    end
  end

  before_each(function()
    directory, opened = system.temporary_directory(), {}
    path = directory .. "/access.log"
  end)

  after_each(function()
    C.sinks_stop()
    for _, box in ipairs(opened) do
      if box[0] ~= nil then C.sink_release(box) end
    end
    process.remove(directory)
  end)

  it("has a thread only while there is something to write", function()
    local function has_one_thread()
      return system.read_file("/proc/self/status"):match "Threads:%s+(%d+)" == "1"
    end
    C.sinks_start(nil)
    local sink = open()
    for i = 1, 2 do
      write(sink, "line " .. i)
      assert.is_false(has_one_thread())
      wait.that(function() return content():find("line " .. i, 1, true) end)
      wait.that(has_one_thread)
    end
    assert.equal("line 1\nline 2\n", content())
  end)

  it("writes at once while no thread runs", function()
    local sink = open()
    assert.is_true(write(sink, "one"))
    assert.is_true(write(sink, ""))
    assert.equal("one\n\n", content())
  end)

  it("appends to what is there", function()
    system.write_file(path, "before\n")
    write(open(), "after")
    assert.equal("before\nafter\n", content())
  end)

  it("is written by the thread within 200 ms", function()
    C.sinks_start(nil)
    local sink, rounds, in_time = open(), 0, 0
    wait.that(function() -- at times on a busy machine, too
      rounds = rounds + 1
      local line, started = ("line %d\n"):format(rounds), system.now()
      write(sink, (line:sub(1, -2)))
      wait.that(function() return content():find(line, 1, true) end)
      in_time = in_time + (system.now() - started < 0.2 and 1 or 0)
      return in_time == 3
    end)
  end)

  it("lets lines gather for 50 ms after it wrote some", function()
    C.sinks_start(nil)
    local sink, attempts = open(), 0
    local early = wait.that(function()
      attempts = attempts + 1
      write(sink, attempts .. " first")
      wait.that(function() return content():find(attempts .. " first\n$") end)
      local started = system.now()
      for _ = 1, 10 do
        write(sink, "later")
        system.sleep(0.001)
      end
      local written = content()
      -- On a busy machine this may have taken so long that they are there by right.
      return system.now() - started < 0.03 and written
    end)
    assert.truthy(early:find "first\n$")
  end)

  it("keeps the order of all lines, and has them all after a stop", function()
    C.sinks_start(nil)
    local sink, expected = open(), {}
    for i = 1, 5000 do
      expected[i] = ("%d %s\n"):format(i, ("x"):rep(i % 97))
      assert.is_true(write(sink, (expected[i]:sub(1, -2))))
    end
    C.sinks_stop()
    assert.equal(table.concat(expected), content())
    assert.equal(0, tonumber(C.sink_dropped(sink)))
  end)

  it("is the same for the same path until the last release", function()
    local one, box = open()
    local other = open()
    assert.equal(one, other)
    C.sink_release(box)
    assert.is_true(box[0] == nil)
    assert.is_true(write(other, "still open"))
    assert.equal("still open\n", content())
  end)

  it("is written before a release closes it", function()
    C.sinks_start(nil)
    local sink, box = open()
    write(sink, "last words")
    C.sink_release(box)
    wait.that(function() return content() == "last words\n" end)
  end)

  it("names what cannot be opened, and why", function()
    local missing = directory .. "/missing/access.log"
    local sink, problem = open(missing)
    assert.is_nil(sink)
    assert.equal("cannot open " .. missing .. ": No such file or directory", problem)
  end)

  it("does not wait for a reader of a named pipe", function()
    local name, fd = fifo()
    system.C.spec_close(fd)
    local sink, problem = open(name)
    assert.is_nil(sink)
    assert.truthy(problem:find("No such device or address", 1, true))
  end)

  it("drops and counts what exceeds its queue while a reader stalls", function()
    local name, fd = fifo()
    C.sinks_start(nil)
    local sink, file = open(name), open()
    local line, accepted = ("y"):rep(65535), 0
    wait.that(function()
      if not write(sink, line) then return true end
      accepted = accepted + 1
    end)
    assert.is_true(accepted >= QUEUE_BYTES_MAX / 65536)
    assert.equal(1, tonumber(C.sink_dropped(sink)))
    write(file, "not held up")
    wait.that(function() return content() == "not held up\n" end)

    local received, count = {}, 0
    wait.that(function()
      received[#received + 1] = read_all(fd)
      count = count + #received[#received]
      return count == accepted * 65536
    end)
    assert.is_true((line .. "\n"):rep(accepted) == table.concat(received))
    assert.is_true(write(sink, "again"))
    wait.that(function() return read_all(fd) == "again\n" end)
    system.C.spec_close(fd)
  end)

  it("does not hold up the end of the process when a reader stalls", function()
    local name, fd = fifo()
    C.sinks_start(nil)
    local sink = open(name)
    for _ = 1, 8 do write(sink, ("y"):rep(65535)) end
    local started = system.now()
    C.sinks_stop()
    assert.is_true(system.now() - started < 9)
    system.C.spec_close(fd)
  end)

  it("counts lines whose reader has gone", function()
    local name, fd = fifo()
    C.sinks_start(nil)
    local sink = open(name)
    system.C.spec_close(fd)
    write(sink, "one")
    write(sink, "two")
    wait.that(function() return tonumber(C.sink_dropped(sink)) == 2 end)
  end)

  it("refuses a line beyond the queue", function()
    local sink = open()
    assert.is_false(write(sink, ("z"):rep(QUEUE_BYTES_MAX)))
    assert.is_true(write(sink, ("z"):rep(QUEUE_BYTES_MAX - 1)))
    assert.equal(QUEUE_BYTES_MAX, #content())
  end)

  for thread, name in pairs { [true] = "with a thread", [false] = "without a thread" } do
    it("goes on in a new file after a rotation " .. name, function()
      if thread then C.sinks_start(nil) end
      local sink = open()
      write(sink, "old")
      assert(os.rename(path, path .. ".1"))
      C.sinks_reopen()
      wait.that(function() return system.read_file(path) == "" end)
      write(sink, "new")
      wait.that(function() return content() == "new\n" end)
      assert.equal("old\n", content(path .. ".1"))
    end)
  end

  it("starts anew in a forked child, whose parent writes what was queued", function()
    C.sinks_start(nil)
    local sink = open()
    for i = 1, 100 do write(sink, "parent " .. i) end
    local child = process.fork(function()
      write(sink, "child at once")
      C.sinks_start(nil)
      for i = 1, 100 do write(sink, "child " .. i) end
      C.sinks_stop()
    end)
    assert.equal(0, child:wait(20))
    C.sinks_stop()
    local count, seen = 0, {}
    for line in content():gmatch "(.-)\n" do
      assert.is_nil(seen[line], line)
      seen[line], count = true, count + 1
    end
    assert.equal(201, count)
    assert.is_true(seen["child at once"] and seen["child 100"] and seen["parent 100"])
  end)

  -- Four processes write 2,000 lines each; calls `poll` until all have ended well.
  local function write_together(name, poll)
    local children = {}
    for child = 1, 4 do
      children[child] = process.fork(function()
        C.sinks_start(nil)
        local sink = open(name)
        for i = 1, 2000 do write(sink, ("%d:%d:%s"):format(child, i, ("x"):rep(i % 200))) end
        C.sinks_stop()
      end)
    end
    wait.that(function()
      poll()
      for _, child in ipairs(children) do
        if child:is_running() then return false end
        assert.equal(0, child.code)
      end
      return true
    end, 60)
    poll()
  end

  local function check_whole(text)
    local last = { 0, 0, 0, 0 }
    for line in text:gmatch "(.-)\n" do
      local child, i, rest = line:match "^(%d):(%d+):(x*)$"
      child, i = tonumber(child), tonumber(i)
      assert.is_truthy(i == last[child] + 1 and #rest == i % 200, line)
      last[child] = i
    end
    assert.same({ 2000, 2000, 2000, 2000 }, last)
  end

  it("never tears lines of several processes apart in a file", function()
    write_together(path, function() end)
    check_whole(content())
  end)

  it("never tears lines of several processes apart in a pipe", function()
    local name, fd = fifo()
    local pieces = {}
    write_together(name, function() pieces[#pieces + 1] = read_all(fd) end)
    check_whole(table.concat(pieces))
    system.C.spec_close(fd)
  end)

  it("is rescued when the process aborts", function()
    local child = process.fork(function()
      C.sinks_start(nil)
      local sink = open()
      write(sink, "first") -- the thread writes this, then gathers
      wait.that(function() return content() ~= "" end)
      write(sink, "dying")
      C.sinks_rescue()
      system.kill(system.C.spec_getpid(), system.SIGKILL)
    end)
    assert.equal(-system.SIGKILL, child:wait(20))
    assert.equal("first\ndying\n", content())
  end)
end)
