local ffi = require "ffi"
local certificates = require "spec.support.certificates"
local streams = require "spec.support.streams"
local system = require "spec.support.system"
local C = streams.C

local registry = debug.getregistry()
if not registry.moongate_tls_authorities_spec then
  registry.moongate_tls_authorities_spec = true
  ffi.cdef [[
    void *net_authorities_of_system(char *) __asm__("tls_authorities_of_system");
    void net_store_free(void *) __asm__("X509_STORE_free");
    int net_setenv(const char *, const char *, int) __asm__("setenv");
  ]]
end

describe("tls_authorities", function()
  local directory, bundle

  before_each(function()
    directory = system.temporary_directory()
    bundle = certificates.authority(directory, "ca").certificate
    C.net_setenv("SSL_CERT_FILE", bundle, 1)
  end)
  after_each(function()
    ffi.C.spec_unsetenv "SSL_CERT_FILE"
    os.execute("rm -r " .. directory)
  end)

  -- The store there is now; its reference is given back at once, the cache holds one.
  local function store()
    local message = ffi.new "char[512]"
    local found = C.net_authorities_of_system(message)
    if found == nil then return nil, ffi.string(message) end
    C.net_store_free(found)
    return found
  end

  it("are read once", function()
    assert.equal(assert(store()), store())
  end)

  it("are read again when the file changed", function()
    local before = store()
    -- The one that is held keeps its address from being used again.
    local held = C.net_authorities_of_system(ffi.new "char[512]")
    os.execute("touch -d '1 hour ago' " .. bundle)
    assert.is_true(before ~= store())
    C.net_store_free(held)
  end)

  it("say what is wrong with a file that changed into something else", function()
    assert(store())
    system.write_file(bundle, "junk")
    os.execute("touch -d '2 hours ago' " .. bundle)
    local found, message = store()
    assert.is_nil(found)
    assert.equal(bundle .. ": not a certificate in PEM: no start line", message)
  end)

  it("are the distribution's where nothing else is said", function()
    ffi.C.spec_unsetenv "SSL_CERT_FILE"
    assert.is_not_nil(store())
  end)
end)
