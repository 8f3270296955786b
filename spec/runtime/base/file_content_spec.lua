local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local C = runtime.include "base/file_content.h"

local registry = debug.getregistry()
if not registry.moongate_file_content_spec then
  registry.moongate_file_content_spec = true
  ffi.cdef 'void file_content_spec_free(void *) __asm__("free");'
end

describe("file_content", function()
  local directory

  before_each(function() directory = system.temporary_directory() end)
  after_each(function() process.remove(directory) end)

  -- The bytes, or nil and the errno.
  local function read(path, bytes_max)
    local bytes, length = ffi.new "char *[1]", ffi.new "size_t[1]"
    local problem = C.file_content_read(path, bytes_max or 1000000, bytes, length)
    if problem ~= 0 then
      assert(bytes[0] == nil)
      return nil, problem
    end
    local text = ffi.string(bytes[0], length[0])
    ffi.C.file_content_spec_free(bytes[0])
    return text
  end

  it("is what was written, of any length", function()
    for _, length in ipairs { 0, 1, 4095, 4096, 4097, 100000 } do
      local text = ("\0x\n"):rep(length):sub(1, length)
      system.write_file(directory .. "/file", text)
      assert.is_true(read(directory .. "/file") == text)
    end
  end)

  it("is read whole where the file does not know its size", function()
    assert.matches("^Name:", read "/proc/self/status")
    assert.is_true(#read "/proc/self/maps" > 4096)
  end)

  it("may have as many bytes as were allowed, and not one more", function()
    system.write_file(directory .. "/file", ("x"):rep(5000))
    assert.equal(5000, #read(directory .. "/file", 5000))
    assert.same({ nil, 27 }, { read(directory .. "/file", 4999) })
    assert.same({ nil, 27 }, { read("/dev/zero", 100000) })
  end)

  it("is read of a pipe as long as somebody writes, and nobody waits for one who does", function()
    local path = directory .. "/pipe"
    assert.equal(0, (process.run { "mkfifo", path }))
    local reader = process.fork(function() assert(read(path) == "") end)
    assert.equal(0, reader:wait(10))
    local writer = process.spawn({ "sh", "-c", "echo one; sleep 0.1; echo two" },
      { stdout = path })
    wait.that(function()
      local text = read(path)
      return text ~= "" and text == "one\ntwo\n"
    end)
    assert.equal(0, writer:wait(10))
  end)

  it("cannot be had of what is not there, or a folder", function()
    assert.same({ nil, 2 }, { read(directory .. "/none") })
    assert.same({ nil, 21 }, { read(directory) })
  end)
end)
