--- tls_registry_spec: contexts are found again by what they would be made from.

local certificates = require "spec.support.certificates"
local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include "net/tls_registry.h"

describe("tls_registry", function()
  local directory, one, other, held, kept

  setup(function()
    directory = system.temporary_directory()
    local authority = certificates.authority(directory, "authority")
    one, other = authority:issue { name = "one.test" }, authority:issue { name = "other.test" }
    one.authority, other.authority = authority.certificate, one.certificate
  end)
  teardown(function() process.remove(directory) end)
  before_each(function() held, kept = {}, {} end)

  local function release(context)
    C.tls_context_release(runtime.box("struct tls_context *", context))
  end

  after_each(function()
    for _, context in ipairs(held) do release(context) end
  end)

  local function pem(path, name)
    if not path then return {} end
    kept[#kept + 1] = system.read_file(path)
    return { name = runtime.slice(name or path), text = runtime.slice(kept[#kept]) }
  end

  local function hold(context, problem)
    assert(context ~= nil, ffi.string(problem))
    held[#held + 1] = context
    return context
  end

  local function server(changes)
    changes = changes or {}
    local identity = ffi.new("struct tls_identity[1]", {
      { certificate = pem((changes.files or one).certificate, changes.name),
        key = pem((changes.files or one).key, changes.name) },
    })
    local alpn, problem = changes.alpn or "\8http/1.1", ffi.new "char[512]"
    return hold(C.tls_registry_server(ffi.new("struct tls_server_options", {
      identities = identity, identity_count = 1,
      client_certificate = changes.client_certificate or 0,
      client_authority = pem(changes.authority),
      alpn = ffi.cast("const unsigned char *", alpn), alpn_length = #alpn,
      version_min = changes.version_min or 0,
    }), problem), problem)
  end

  local function client(changes)
    changes = changes or {}
    local problem = ffi.new "char[512]"
    return hold(C.tls_registry_client(ffi.new("struct tls_client_options", {
      verify = changes.verify ~= false,
      authority = pem(changes.authority),
      identity = { certificate = pem(changes.files and changes.files.certificate),
        key = pem(changes.files and changes.files.key) },
    }), runtime.slice(changes.scope or "upstream"), problem), problem)
  end

  it("finds a server's context again, whatever its files are called", function()
    assert.equal(server(), server())
    assert.equal(server(), server { name = "elsewhere.pem" })
  end)

  it("makes another one when anything about it is another", function()
    local contexts = {
      server(), server { files = other }, server { alpn = "\2h2" }, server { alpn = "" },
      server { version_min = 0x304 },
      server { client_certificate = 1, authority = one.authority },
      server { client_certificate = 2, authority = one.authority },
      server { client_certificate = 2, authority = other.authority },
    }
    for i, context in ipairs(contexts) do
      for j = i + 1, #contexts do assert.not_equal(context, contexts[j], i .. " and " .. j) end
    end
  end)

  it("finds a client's context again within its scope", function()
    assert.equal(client(), client())
    assert.equal(client { authority = one.authority }, client { authority = one.authority })
    local contexts = {
      client(), client { scope = "other" }, client { verify = false },
      client { authority = one.authority }, client { authority = other.authority },
      client { files = one }, client { files = other },
    }
    for i, context in ipairs(contexts) do
      for j = i + 1, #contexts do assert.not_equal(context, contexts[j], i .. " and " .. j) end
    end
  end)

  it("forgets a context with its last reference", function()
    for _ = 1, 3 do
      server()
      server()
      for _ = 1, 2 do release(table.remove(held)) end
    end
    -- The sanitizers tell whether all of them were freed, once each.
    assert.equal(server(), server())
  end)

  it("says what is wrong with what cannot be made, each time", function()
    local broken = { certificate = one.certificate, key = other.key }
    for _ = 1, 2 do
      local ok, problem = pcall(server, { files = broken })
      assert.is_false(ok)
      assert.is_truthy(tostring(problem):find("key", 1, true), problem)
    end
  end)
end)
