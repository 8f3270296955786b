local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include "bridge/bundle.h"
local slice, text = runtime.slice, runtime.text

local registry = debug.getregistry()
if not registry.moongate_bundle_spec then
  registry.moongate_bundle_spec = true
  ffi.cdef [[
    int bundle_spec_memfd(const char *, unsigned) __asm__("memfd_create");
    int bundle_spec_fcntl(int, int, ...) __asm__("fcntl");
    ssize_t bundle_spec_write(int, const void *, size_t) __asm__("write");
    ssize_t bundle_spec_pread(int, void *, size_t, long) __asm__("pread");
    int bundle_spec_close(int) __asm__("close");
    int bundle_spec_open(const char *, int) __asm__("open");
    off_t bundle_spec_lseek(int, long, int) __asm__("lseek");
  ]]
end

local FILE, FOLDER = C.BUNDLE_FILE, C.BUNDLE_FOLDER
local ENOENT, EISDIR, EFBIG, ENAMETOOLONG = 2, 21, 27, 36

describe("bundle", function()
  local directory, open_bundles, open_fds

  before_each(function()
    directory = system.temporary_directory()
    open_bundles, open_fds = {}, {}
  end)
  after_each(function()
    for _, bundle in ipairs(open_bundles) do
      C.bundle_release(runtime.box("struct bundle *", bundle))
    end
    for _, fd in ipairs(open_fds) do ffi.C.bundle_spec_close(fd) end
    process.remove(directory)
  end)

  local function held(bundle)
    if bundle == nil then return nil end
    open_bundles[#open_bundles + 1] = bundle
    return bundle
  end

  local function create() return held(C.bundle_create()) end

  local function seal(bundle)
    local fd = C.bundle_seal(bundle)
    assert.is_true(fd >= 0)
    open_fds[#open_fds + 1] = fd
    return fd
  end

  local function sealed(bundle) return held(C.bundle_open(seal(bundle))) end

  -- The content, or nil and the errno.
  local function ask(how, bundle, path)
    local content = ffi.new "struct slice"
    local problem = how(bundle, slice(path), content)
    if problem ~= 0 then return nil, problem end
    return text(content)
  end
  local function read(bundle, name) return ask(C.bundle_read, bundle, directory .. "/" .. name) end
  local function list(bundle, name) return ask(C.bundle_list, bundle, directory .. "/" .. name) end
  local function write(name, content) system.write_file(directory .. "/" .. name, content) end

  local function bytes_of(fd)
    local size = tonumber(ffi.C.bundle_spec_lseek(fd, 0, 2))
    local bytes = ffi.new("char[?]", size)
    assert.equal(size, tonumber(ffi.C.bundle_spec_pread(fd, bytes, size, 0)))
    return ffi.string(bytes, size)
  end

  -- A sealed descriptor with those bytes.
  local function descriptor(bytes, seals)
    local fd = ffi.C.bundle_spec_memfd("spec", 2)
    open_fds[#open_fds + 1] = fd
    assert.equal(#bytes, tonumber(ffi.C.bundle_spec_write(fd, bytes, #bytes)))
    ffi.C.bundle_spec_fcntl(fd, 1033, ffi.cast("int", seals or 15))
    return fd
  end

  it("has files as they were when they were asked for first", function()
    local bundle = create()
    write("a", "one")
    assert.equal("one", read(bundle, "a"))
    write("a", "two")
    assert.equal("one", read(bundle, "a"))
    assert.equal("two", read(create(), "a"))
  end)

  it("keeps that something was not there", function()
    local bundle = create()
    assert.same({ nil, ENOENT }, { read(bundle, "a") })
    write("a", "one")
    assert.same({ nil, ENOENT }, { read(bundle, "a") })
  end)

  it("has the names in folders, sorted, each ended by a zero byte", function()
    local bundle = create()
    write("routes/b.lua", "")
    write("routes/a.lua", "")
    write("routes/.hidden", "")
    assert.equal(".hidden\0a.lua\0b.lua\0", list(bundle, "routes"))
    write("routes/c.lua", "")
    assert.equal(".hidden\0a.lua\0b.lua\0", list(bundle, "routes"))
    assert.same({ nil, ENOENT }, { list(bundle, "none") })
    os.execute("mkdir " .. directory .. "/empty")
    assert.equal("", list(bundle, "empty"))
  end)

  it("tells a folder from a file of the same path", function()
    local bundle = create()
    write("x/y", "")
    assert.same({ nil, EISDIR }, { read(bundle, "x") })
    assert.equal("y\0", list(bundle, "x"))
    assert.equal("it cannot be read; expected a file", ffi.string(C.bundle_error_text(EISDIR)))
    assert.equal("No such file or directory", ffi.string(C.bundle_error_text(ENOENT)))
  end)

  it("takes no path for another", function()
    local bundle = create()
    write("a", "one")
    assert.same({ nil, ENOENT }, { read(bundle, "a\0b") })
    assert.same({ nil, ENAMETOOLONG }, { read(bundle, ("x"):rep(5000)) })
    assert.same({ nil, ENOENT }, { ask(C.bundle_read, bundle, "") })
  end)

  it("has a maximum of bytes", function()
    local bundle = create()
    assert.same({ nil, EFBIG }, { ask(C.bundle_read, bundle, "/dev/zero") })
    assert.matches("too large; expected at most 256 MiB", ffi.string(C.bundle_error_text(EFBIG)))
  end)

  it("has a maximum of entries", function()
    local bundle = create()
    local content = ffi.new "struct slice"
    for i = 1, 100000 do
      C.bundle_read(bundle, slice("/dev/null/" .. i), content)
    end
    local _, problem = ask(C.bundle_read, bundle, "/dev/null/more")
    assert.matches("expected at most 100,000 files", ffi.string(C.bundle_error_text(problem)))
    assert.is_nil((ask(C.bundle_read, bundle, "/dev/null/1")))
    assert.equal(100000, tonumber(C.bundle_count(sealed(bundle))))
  end)

  it("tells all that it has, in the order of reading", function()
    local bundle = create()
    write("b/x", "one")
    read(bundle, "b/x")
    read(bundle, "a")
    list(bundle, "b")
    read(bundle, "a")
    local entries = {}
    for i = 0, tonumber(C.bundle_count(bundle)) - 1 do
      local entry = C.bundle_at(bundle, i)
      entries[i + 1] = { tonumber(entry.kind), text(entry.path):sub(#directory + 2), entry.error,
        text(entry.content) }
    end
    assert.same({ { FILE, "b/x", 0, "one" }, { FILE, "a", ENOENT }, { FOLDER, "b", 0, "x\0" } },
      entries)
  end)

  describe("that was sealed", function()
    it("has the same wherever it is opened, whatever the disk has by then", function()
      local bundle = create()
      write("a", "one")
      write("folder/x", "")
      write("empty", "")
      read(bundle, "a")
      read(bundle, "none")
      read(bundle, "empty")
      list(bundle, "folder")
      local opened = sealed(bundle)
      os.execute(("rm -r '%s'/*"):format(directory))
      write("none", "there")
      assert.equal("one", read(opened, "a"))
      assert.equal("", read(opened, "empty"))
      assert.equal("x\0", list(opened, "folder"))
      assert.same({ nil, ENOENT }, { read(opened, "none") })
      assert.equal(4, tonumber(C.bundle_count(opened)))
      assert.equal("one", read(sealed(opened), "a"))
    end)

    it("reads from the disk what it does not have", function()
      local opened = sealed(create())
      write("late", "one")
      assert.equal("one", read(opened, "late"))
      write("late", "two")
      assert.equal("one", read(opened, "late"))
    end)

    it("can be changed by nobody", function()
      local bundle = create()
      write("a", "one")
      read(bundle, "a")
      local fd = seal(bundle)
      assert.equal(-1, tonumber(ffi.C.bundle_spec_write(fd, "x", 1)))
      local again = ffi.C.bundle_spec_open("/proc/self/fd/" .. fd, 2)
      if again >= 0 then
        assert.equal(-1, tonumber(ffi.C.bundle_spec_write(again, "x", 1)))
        ffi.C.bundle_spec_close(again)
      end
    end)

    it("is not taken from what is none", function()
      local bundle = create()
      write("a", "one")
      read(bundle, "a")
      local good = bytes_of(seal(bundle))
      assert.is_not_nil(held(C.bundle_open(descriptor(good))))
      assert.is_nil(held(C.bundle_open(descriptor(good, 0))))
      assert.is_nil(held(C.bundle_open(descriptor "")))
      assert.is_nil(held(C.bundle_open(-1)))
      for length = 1, #good - 1 do
        assert.is_nil(held(C.bundle_open(descriptor(good:sub(1, length)))))
      end
      assert.is_nil(held(C.bundle_open(descriptor(good .. "x"))))
      for at = 0, #good - 1 do -- whatever it is taken for then: never beyond its end
        local byte = string.char((good:byte(at + 1) + 128) % 256)
        local other = held(C.bundle_open(descriptor(good:sub(1, at) .. byte .. good:sub(at + 2))))
        if other then read(other, "a") end
      end
    end)

    it("is not taken from what has a path twice, or not in its order", function()
      local bundle = create()
      write("a", "one")
      write("b", "two")
      read(bundle, "a")
      read(bundle, "b")
      local good = bytes_of(seal(bundle))
      assert.is_not_nil(held(C.bundle_open(descriptor(good))))
      for _, names in ipairs { { "a", "a" }, { "b", "b" }, { "b", "a" } } do
        local bytes = good:gsub("(/)a(one)", "%1" .. names[1] .. "%2")
          :gsub("(/)b(two)", "%1" .. names[2] .. "%2")
        assert.equal(#good, #bytes)
        assert.is_nil(held(C.bundle_open(descriptor(bytes))))
      end
    end)
  end)

  it("has nothing more of the disk once it is closed", function()
    local bundle = create()
    write("a", "one")
    write("b", "two")
    assert.equal("one", read(bundle, "a"))
    C.bundle_close(bundle)
    assert.equal("one", read(bundle, "a"))
    assert.is_nil((read(bundle, "b")))
  end)

  it("lives until its last user has released it", function()
    local bundle = create()
    write("a", "one")
    read(bundle, "a")
    local other = runtime.box("struct bundle *", C.bundle_acquire(bundle))
    C.bundle_release(other)
    assert.is_true(other[0] == nil)
    assert.equal("one", read(bundle, "a"))
  end)

  describe("that is sealed", function()
    local function of(files, order)
      os.execute(("rm -rf '%s'/*"):format(directory))
      for name, content in pairs(files) do write(name, content) end
      local bundle = create()
      for _, name in ipairs(order or { "a", "b", "c" }) do read(bundle, name) end
      list(bundle, ".")
      return seal(bundle)
    end

    it("is the same as another when the same files were read", function()
      local one = of { a = "1", b = "2" }
      assert.is_true(C.bundle_is_same(one, one))
      assert.is_true(C.bundle_is_same(one, of({ a = "1", b = "2" }, { "b", "c", "a" })))
      assert.is_true(C.bundle_is_same(one, of({ a = "1", b = "2", unread = "3" }, { "a", "b" })))
    end)

    it("is not for other contents, names, or one file more", function()
      local one = of { a = "1", b = "2" }
      for _, files in ipairs { { a = "1", b = "3" }, { a = "1", c = "2" }, { a = "12", b = "" },
        { a = "1" }, { a = "1", b = "2", c = "" }, { a = "2", b = "1" } } do
        assert.is_false(C.bundle_is_same(one, of(files)))
      end
    end)

    it("is the same as none without the header of a bundle", function()
      local one = of { a = "1" }
      local bytes = bytes_of(one)
      local others = { -1, descriptor "", descriptor(bytes:sub(1, 47)),
        descriptor("x" .. bytes:sub(2)), descriptor(bytes, 1) }
      for _, fd in ipairs(others) do
        assert.is_false(C.bundle_is_same(one, fd))
        assert.is_false(C.bundle_is_same(fd, one))
      end
    end)
  end)
end)
