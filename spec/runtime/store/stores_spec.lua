--- stores_spec: what several ask for is opened once.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include("store/stores.h", "net/loop.h")

describe("stores", function()
  local loop, stores, folder

  local function acquire(path)
    local reason = ffi.new "char[256]"
    local store = C.stores_acquire(stores, ffi.new("struct store_options", path, 0), reason)
    assert(store ~= nil, ffi.string(reason))
    return store
  end

  local function release(store) C.stores_release(stores, runtime.box("struct store *", store)) end

  before_each(function()
    loop = runtime.new_loop()
    stores = C.stores_create(loop)
    folder = system.temporary_directory()
  end)

  after_each(function()
    C.stores_destroy(runtime.box("struct stores *", stores))
    runtime.end_loop(loop)
  end)

  -- Within a process the locks of one would go with the other.
  it("are one for a folder, however its path is spelt", function()
    local one = acquire(folder .. "/state")
    assert(os.execute(("ln -s '%s/state' '%s/link'"):format(folder, folder)) == 0)
    for _, path in ipairs { "/state", "/state/", "/./state", "/link" } do
      local other = acquire(folder .. path)
      assert.equal(one, other, path)
      release(other)
    end
    release(one)
  end)

  it("are others for other folders, and may be opened again", function()
    local one, other = acquire(folder .. "/one"), acquire(folder .. "/other")
    assert.are_not.equal(one, other)
    release(one)
    release(other)
    release(acquire(folder .. "/one"))
  end)
end)
