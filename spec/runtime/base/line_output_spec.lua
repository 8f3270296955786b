local ffi = require "ffi"
local native = require "spec.support.native"
local process = require "spec.support.process"
local system = require "spec.support.system"

native.declare [[
struct spec_line_output { int fd; bool is_file, is_mid_line, is_torn; };
struct spec_lines { char *data; size_t start, end, capacity, bytes_max; void *pool; };
void spec_line_output_init(struct spec_line_output *output, int fd) __asm__("line_output_init");
size_t spec_line_output_write(struct spec_line_output *output, struct spec_lines *lines,
                              int patience) __asm__("line_output_write");
void spec_lines_init(struct spec_lines *lines, size_t bytes_max, void *pool)
  __asm__("buffer_init");
bool spec_lines_append(struct spec_lines *lines, struct slice slice) __asm__("buffer_append");
void spec_lines_clear(struct spec_lines *lines) __asm__("buffer_clear");
int spec_pipe2(int *fds, int flags) __asm__("pipe2");
intptr_t spec_read(int, void *, size_t) __asm__("read");
int spec_setrlimit(int, const unsigned long *) __asm__("setrlimit");
void *spec_ignore_signal(int, void *) __asm__("signal");
]]
local C = native.C

local PIPE_BUF = 4096
local NONBLOCK, CLOEXEC = 2048, 524288
local RLIMIT_FSIZE, SIGXFSZ, SIG_IGN = 1, 25, ffi.cast("void *", 1)

describe("line_output", function()
  local output, lines, opened

  local function over(fd)
    output, opened = ffi.new "struct spec_line_output", opened or {}
    opened[#opened + 1] = fd
    C.spec_line_output_init(output, fd)
  end

  local function pipe()
    local fds = ffi.new "int[2]"
    assert(ffi.C.spec_pipe2(fds, NONBLOCK + CLOEXEC) == 0)
    over(fds[1])
    opened[#opened + 1] = fds[0]
    return fds[0]
  end

  local function add(text)
    assert(C.spec_lines_append(lines, native.slice(text)))
  end

  local function write(text)
    if text then add(text) end
    return tonumber(C.spec_line_output_write(output, lines, 1))
  end

  local function left()
    return tonumber(lines["end"] - lines.start)
  end

  local function read(fd, bytes_max)
    local bytes = ffi.new("char[?]", bytes_max)
    return ffi.string(bytes, tonumber(ffi.C.spec_read(fd, bytes, bytes_max)))
  end

  before_each(function()
    lines, opened = ffi.new "struct spec_lines", {}
    C.spec_lines_init(lines, 1048576, nil)
  end)

  after_each(function()
    C.spec_lines_clear(lines)
    for _, fd in ipairs(opened) do system.C.spec_close(fd) end
  end)

  it("writes all there is", function()
    local reader = pipe()
    assert.equal(0, write "one\ntwo\n")
    assert.equal(0, left())
    assert.equal("one\ntwo\n", read(reader, 100))
  end)

  it("keeps what a slow reader does not take, and goes on where it stopped", function()
    local reader, line = pipe(), ("x"):rep(999) .. "\n"
    assert.equal(0, write(line:rep(200)))
    local first = left()
    assert.is_true(first > 0 and first % 1000 == 0)
    assert.equal(0, write())
    assert.equal(first, left())
    local received = {}
    while #table.concat(received) < 200000 do
      received[#received + 1] = read(reader, 65536)
      write()
    end
    assert.is_true(line:rep(200) == table.concat(received))
  end)

  it("goes on within a line that no pipe takes whole", function()
    local reader, line = pipe(), ("x"):rep(200000) .. "\n"
    write(line)
    assert.is_true(left() > 0)
    local received = {}
    while #table.concat(received) < #line do
      received[#received + 1] = read(reader, 65536)
      write()
    end
    assert.is_true(line == table.concat(received))
  end)

  it("gives a pipe whole lines of at most PIPE_BUF bytes", function()
    local fds = ffi.new "int[2]"
    assert(ffi.C.spec_pipe2(fds, NONBLOCK + CLOEXEC + 16384) == 0) -- O_DIRECT: a read is a write
    over(fds[1])
    opened[#opened + 1] = fds[0]
    write((("a"):rep(999) .. "\n"):rep(9) .. ("b"):rep(PIPE_BUF + 1) .. "\n" .. "c\n")
    local sizes = {}
    for i = 1, 6 do sizes[i] = #read(fds[0], 65536) end
    assert.same({ 4000, 4000, 1000, 4096, 2, 2 }, sizes)
  end)

  it("counts the lines that a full device loses", function()
    over(system.C.spec_open("/dev/full", 1, 0))
    assert.equal(3, write "one\ntwo\nthree\n")
    assert.equal(0, left())
  end)

  for name, case in pairs {
    ["ends the line that a failure tore, before it goes on"] = { 10, "whole\ntorn\nnext\n" },
    ["goes on at once after a failure between lines"] = { 6, "whole\nnext\n" },
  } do
    it(name, function()
      local directory = system.temporary_directory()
      local path = directory .. "/log"
      local child = process.fork(function()
        ffi.C.spec_ignore_signal(SIGXFSZ, SIG_IGN)
        ffi.C.spec_setrlimit(RLIMIT_FSIZE, ffi.new("unsigned long[2]", case[1], 1000))
        over(system.C.spec_open(path, 1 + 64 + 1024, 384))
        assert(write "whole\ntorn line\nlost\n" == 2)
        assert(write "nor this\n" == 1)
        ffi.C.spec_setrlimit(RLIMIT_FSIZE, ffi.new("unsigned long[2]", 1000, 1000))
        assert(write "next\n" == 0)
      end)
      assert.equal(0, child:wait(20))
      assert.equal(case[2], system.read_file(path))
      process.remove(directory)
    end)
  end
end)
