local ffi = require "ffi"
local streams = require "spec.support.streams"
local C = streams.C

local registry = debug.getregistry()
if not registry.moongate_tls_sessions_spec then
  registry.moongate_tls_sessions_spec = true
  ffi.cdef [[
    struct net_sessions { void *next, *prev; size_t count; };
    void net_sessions_init(struct net_sessions *) __asm__("tls_sessions_init");
    void net_sessions_clear(struct net_sessions *) __asm__("tls_sessions_clear");
    void net_sessions_put(struct net_sessions *, const char *, void *) __asm__("tls_sessions_put");
    void *net_sessions_find(struct net_sessions *, const char *) __asm__("tls_sessions_find");
    void net_sessions_remove(struct net_sessions *, const char *) __asm__("tls_sessions_remove");
    void *net_ssl_session_new(void) __asm__("SSL_SESSION_new");
  ]]
end

local MAX = 256

describe("tls_sessions", function()
  local sessions

  before_each(function()
    sessions = ffi.new "struct net_sessions"
    C.net_sessions_init(sessions)
  end)
  after_each(function() C.net_sessions_clear(sessions) end)

  local function put(key)
    local session = C.net_ssl_session_new()
    C.net_sessions_put(sessions, key, session)
    return session
  end

  it("has what was put, under its own key", function()
    local one, other = put "one", put "other"
    assert.equal(one, C.net_sessions_find(sessions, "one"))
    assert.equal(other, C.net_sessions_find(sessions, "other"))
    assert.is_true(C.net_sessions_find(sessions, "on") == nil)
  end)

  it("keeps the newest of a key", function()
    put "one"
    local newer = put "one"
    assert.equal(newer, C.net_sessions_find(sessions, "one"))
    assert.equal(1, tonumber(sessions.count))
  end)

  it("forgets what is removed", function()
    put "one"
    C.net_sessions_remove(sessions, "one")
    C.net_sessions_remove(sessions, "one")
    assert.is_true(C.net_sessions_find(sessions, "one") == nil)
    assert.equal(0, tonumber(sessions.count))
  end)

  it("is bounded, and lets the least recently used go", function()
    for i = 1, MAX do put("key " .. i) end
    assert.is_true(C.net_sessions_find(sessions, "key 1") ~= nil)
    put "one more"
    assert.equal(MAX, tonumber(sessions.count))
    assert.is_true(C.net_sessions_find(sessions, "key 1") ~= nil)
    assert.is_true(C.net_sessions_find(sessions, "key 2") == nil)
    assert.is_true(C.net_sessions_find(sessions, "key 3") ~= nil)
  end)
end)
