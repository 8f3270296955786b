local ffi = require "ffi"
local native = require "spec.support.native"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

native.declare [[
void log_configure(int level, int format);
bool log_level_from_name(struct slice name, int *level);
void log_set_process(const char *name);
void log_start(void);
void log_stop(void);
bool log_is_on(int level);
void log_write(int level, const char *format, ...);
void log_write_request(int level, struct slice request_id, const char *format, ...);
uint64_t log_dropped(void);
struct sink;
struct sink *sink_open(const char *path, char *error);
void sinks_reopen(void);
int spec_mkfifo(const char *, unsigned) __asm__("mkfifo");
intptr_t spec_read(int, void *, size_t) __asm__("read");
]]
local C = native.C

local DEBUG, INFO, WARNING, ERROR = 0, 1, 2, 3
local TEXT, JSON = 0, 1
local O_RDWR_CREATE_APPEND, O_RDONLY_NONBLOCK, O_WRONLY = 2 + 64 + 1024, 2048, 1

describe("log", function()
  local directory, path

  -- The log is one per process: each case has its own process, with `target` as standard error.
  local function logged_by(body, target, flags)
    return process.fork(function()
      local fd = system.C.spec_open(target or path, flags or O_RDWR_CREATE_APPEND, 384)
      assert(fd >= 0 and system.C.spec_dup2(fd, 2) == 2)
      body()
    end)
  end

  local function content()
    return system.read_file(path) or ""
  end

  local function lines_of(body)
    assert.equal(0, logged_by(body):wait(30))
    local lines = {}
    for line in content():gmatch "(.-)\n" do lines[#lines + 1] = line end
    return lines
  end

  before_each(function()
    directory = system.temporary_directory()
    path = directory .. "/stderr"
  end)

  after_each(function()
    process.remove(directory)
  end)

  it("writes at once before it is started", function()
    local lines = lines_of(function()
      C.log_write(INFO, "listens on %s", "127.0.0.1:80")
      assert(content():find("info listens on 127.0.0.1:80\n", 1, true))
    end)
    assert.equal(1, #lines)
    assert.truthy(lines[1]:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ info listens")
  end)

  it("says when, who and about which request", function()
    local before = os.date "!%Y-%m-%dT%H:%M"
    local lines = lines_of(function()
      C.log_set_process("worker 1")
      C.log_start()
      C.log_write_request(WARNING, native.slice "8f3a", "%d attempts", ffi.cast("int", 3))
      C.log_configure(INFO, JSON)
      C.log_write_request(ERROR, native.slice "8f3b", "two\nlines")
      C.log_stop()
    end)
    assert.truthy(lines[1]:find(" warning [worker 1] 3 attempts request=8f3a", 1, true))
    assert.truthy(lines[2]:find('"level":"error","process":"worker 1",'
      .. '"message":"two\\nlines","request":"8f3b"}', 1, true))
    local after = os.date "!%Y-%m-%dT%H:%M"
    assert.is_true(lines[1]:sub(1, 16) >= before and lines[1]:sub(1, 16) <= after)
  end)

  it("leaves out what is below its level", function()
    local lines = lines_of(function()
      assert(not C.log_is_on(DEBUG) and C.log_is_on(INFO))
      C.log_write(DEBUG, "unheard")
      C.log_configure(WARNING, TEXT)
      assert(not C.log_is_on(INFO) and C.log_is_on(WARNING))
      C.log_write(INFO, "unheard")
      C.log_write_request(INFO, native.slice "1", "unheard")
      C.log_configure(DEBUG, TEXT)
      C.log_write(DEBUG, "heard")
    end)
    assert.equal(1, #lines)
    assert.truthy(lines[1]:find "debug heard$")
  end)

  it("knows levels by name", function()
    local level = ffi.new "int[1]"
    for value, name in pairs { [DEBUG] = "debug", [INFO] = "info", [WARNING] = "warning",
                               [ERROR] = "error" } do
      assert.is_true(C.log_level_from_name(native.slice(name), level))
      assert.equal(value, level[0])
    end
    for _, name in ipairs { "", "warn", "INFO", "info ", "fatal" } do
      assert.is_false(C.log_level_from_name(native.slice(name), level))
    end
  end)

  it("keeps the order of its lines, before, with and after the thread", function()
    local lines = lines_of(function()
      for i = 1, 3000 do
        if i == 100 then C.log_start() end
        if i == 2900 then C.log_stop() end
        C.log_write(INFO, "line %d", ffi.cast("int", i))
      end
    end)
    assert.equal(3000, #lines)
    for i, line in ipairs(lines) do assert.equal("line " .. i, line:match "info (.*)$") end
  end)

  it("cuts a message of any length", function()
    local lines = lines_of(function()
      C.log_write(INFO, "%s", ("x"):rep(100000))
    end)
    assert.equal(1, #lines)
    assert.equal(8192, #lines[1])
    assert.truthy(lines[1]:find "x%.%.%.$")
  end)

  it("counts what it drops while nobody reads, and says so where they are missing", function()
    local fifo = directory .. "/fifo"
    assert(ffi.C.spec_mkfifo(fifo, 384) == 0)
    local reader = system.C.spec_open(fifo, O_RDONLY_NONBLOCK, 0)
    local child = logged_by(function()
      C.log_start()
      local text, i = ("x"):rep(4000), 0
      while tonumber(C.log_dropped()) < 3 do
        i = i + 1
        C.log_write(INFO, "%d %s", ffi.cast("int", i), text)
      end
      system.write_file(path, tostring(i))
      wait.that(function() return system.read_file(directory .. "/read") end)
      C.log_write(INFO, "readable again")
      C.log_stop()
    end, fifo, O_WRONLY)

    wait.that(function() return content() ~= "" end)
    local bytes, pieces = ffi.new "char[65536]", {}
    wait.that(function()
      local count = tonumber(ffi.C.spec_read(reader, bytes, 65536))
      if count > 0 then pieces[#pieces + 1] = ffi.string(bytes, count) end
      local text = table.concat(pieces)
      local _, lines = text:gsub("\n", "")
      if lines >= tonumber(content()) - 3 then system.write_file(directory .. "/read", "") end
      return text:find("readable again\n", 1, true)
    end)
    assert.equal(0, child:wait(20))
    local text = table.concat(pieces)
    assert.truthy(text:find "warning %d+ log lines were dropped here\n%S+ info readable again\n$")
    local dropped = 0
    for count in text:gmatch "(%d+) log lines were dropped" do dropped = dropped + count end
    local _, received = text:gsub(" info ", "")
    assert.equal(tonumber(content()) + 1, received + dropped)
  end)

  it("says when a file of another sink cannot be opened again", function()
    local file = directory .. "/gone/access.log"
    system.write_file(file, "")
    local lines = lines_of(function()
      C.log_start()
      assert(C.sink_open(file, ffi.new "char[512]") ~= nil)
      assert(os.remove(file) and os.remove(directory .. "/gone"))
      C.sinks_reopen()
      wait.that(function() return content() ~= "" end)
      C.log_stop()
    end)
    assert.truthy(lines[1]:find("error cannot reopen " .. file
      .. ": No such file or directory; the old file stays", 1, true))
  end)
end)
