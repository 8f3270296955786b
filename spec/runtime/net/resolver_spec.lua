jit.off(true, true) -- compiled code must not be called back

local ffi = require "ffi"
local dns_server = require "spec.support.dns_server"
local native = require "spec.support.native"
local streams = require "spec.support.streams"
local system = require "spec.support.system"

native.declare [[
struct spec_resolver_options { const char *servers; double timeout; double stale_seconds; };
void *spec_resolver_create(void *loop, const struct spec_resolver_options *options)
  __asm__("resolver_create");
void spec_resolver_destroy(void **resolver) __asm__("resolver_destroy");
bool spec_resolver_prepare(void *resolver, const struct spec_resolver_options *options)
  __asm__("resolver_prepare");
void spec_resolver_configure(void *resolver) __asm__("resolver_configure");
void *spec_resolver_ask(void *resolver, const char *host, uint16_t port, void *answered,
                        void *data) __asm__("resolver_ask");
void spec_resolver_cancel(void **query) __asm__("resolver_cancel");
void log_configure(int level, int format);
]]
local C = native.C

local NAMES_MAX = 4096

local function v4(last)
  return "\192\0\2" .. string.char(last)
end

local function v6(last)
  return "\32\1\13\184" .. ("\0"):rep(11) .. string.char(last)
end

describe("resolver", function()
  local loop, server, resolver, asks

  -- `data` is the number of a question in `asks`.
  local answered = ffi.cast("void (*)(void *, int, const struct address *, size_t)",
    function(data, fault, addresses, count)
      local ask, texts = asks[tonumber(ffi.cast("intptr_t", data))], {}
      for i = 1, tonumber(count) do texts[i] = native.address_text(addresses + (i - 1)) end
      table.sort(texts)
      ask.times = ask.times + 1
      ask.fault = ffi.string(streams.C.net_fault_type(fault))
      ask.addresses = table.concat(texts, " ")
      if ask.on_answer then ask.on_answer() end
    end)

  local function create(options)
    options = options or {}
    local servers = options.servers or server.address
    local c = C.spec_resolver_create(loop.c, ffi.new("struct spec_resolver_options",
      servers, options.timeout or 5, options.stale_seconds or 0))
    resolver = c ~= nil and ffi.new("void *[1]", c) or nil
    return resolver ~= nil
  end

  local function start(host, on_answer)
    local ask = { times = 0, on_answer = on_answer }
    asks[#asks + 1] = ask
    local query = C.spec_resolver_ask(resolver[0], host, 80, answered, ffi.cast("void *", #asks))
    ask.query = query ~= nil and ffi.new("void *[1]", query) or nil
    assert.equal(ask.query == nil, ask.times == 1)
    return ask
  end

  local function finish(ask)
    loop:run(function()
      server:serve()
      return ask.times > 0
    end)
    return { ask.fault, ask.addresses }
  end

  local function resolve(host)
    return finish(start(host))
  end

  -- Lets time pass, while the server serves: when this process is held up, for longer.
  local function pass(seconds)
    local waited, last = 0, system.now()
    loop:run(function()
      server:serve()
      local now = system.now()
      waited, last = waited + math.min(now - last, 0.06), now
      return waited >= seconds
    end, 60)
  end

  -- What has to be done within a second, begun anew until it was.
  local function in_a_second(body)
    local began
    repeat
      began = system.now()
      body()
    until system.now() - began < 0.9
  end

  local function count_asked(question)
    local count = 0
    for _, each in ipairs(server.asked) do count = count + (each == question and 1 or 0) end
    return count
  end

  setup(function() C.log_configure(3, 0) end)
  teardown(function() C.log_configure(1, 0) end)

  before_each(function()
    asks, loop, server, resolver = {}, streams.loop(), dns_server.new(), nil
    server.zone["api.test"] = { A = { v4(1) }, AAAA = { v6(1) }, ttl = 60 }
  end)

  after_each(function()
    if resolver then C.spec_resolver_destroy(resolver) end
    loop:close()
    server:close()
  end)

  it("answers with all addresses of both families, and the port", function()
    server.zone["many.test"] = { A = { v4(1), v4(2), v4(3) }, AAAA = { v6(1), v6(2) }, ttl = 60 }
    create()
    assert.same({ "none", "192.0.2.1:80 192.0.2.2:80 192.0.2.3:80 [2001:db8::1]:80 "
      .. "[2001:db8::2]:80" }, resolve "many.test")
  end)

  for name, case in pairs {
    A = { "192.0.2.9:80", { A = { v4(9) }, ttl = 60 } },
    AAAA = { "[2001:db8::9]:80", { AAAA = { v6(9) }, ttl = 60 } },
  } do
    it("is content with " .. name .. " records alone", function()
      server.zone["one.test"] = case[2]
      create()
      assert.same({ "none", case[1] }, resolve "one.test")
    end)
  end

  it("takes at most 32 addresses", function()
    local addresses = {}
    for i = 1, 28 do addresses[i] = v4(i) end
    server.zone["crowd.test"] = { A = addresses, AAAA = { v6(1), v6(2), v6(3), v6(4), v6(5) },
                                  ttl = 60 }
    create()
    local _, spaces = resolve("crowd.test")[2]:gsub(" ", "")
    assert.equal(31, spaces)
  end)

  it("answers an address at once, without a server", function()
    create()
    assert.same({ "none", "192.0.2.7:80" }, finish(start "192.0.2.7"))
    assert.same({ "none", "[2001:db8::7]:80" }, finish(start "2001:db8::7"))
    assert.equal(2, asks[1].times + asks[2].times)
    assert.same({}, server.asked)
  end)

  it("knows localhost without a server", function()
    server.is_silent = true
    create()
    for _, name in ipairs { "localhost", "LOCALHOST" } do
      local answer = resolve(name)
      assert.equal("none", answer[1])
      assert.truthy(answer[2]:find("127.0.0.1:80", 1, true))
    end
    assert.same({}, server.asked)
  end)

  it("keeps an answer for its TTL, then asks again", function()
    server.zone["api.test"].ttl = 3
    create()
    assert.same({ "none", "192.0.2.1:80 [2001:db8::1]:80" }, resolve "api.test")
    server.zone["api.test"] = { A = { v4(2) }, ttl = 3 }
    assert.same({ "none", "192.0.2.1:80 [2001:db8::1]:80" }, finish(start "API.test"))
    assert.equal(2, #server.asked)
    pass(3.1)
    assert.same({ "none", "192.0.2.2:80" }, resolve "api.test")
    assert.equal(4, #server.asked)
  end)

  it("keeps what has no TTL for a second, also by an alias", function()
    server.zone["alias.test"] = { alias = "api.test", alias_ttl = 0, A = { v4(5) }, ttl = 60 }
    create()
    local again
    in_a_second(function()
      assert.same({ "none", "192.0.2.5:80" }, resolve "alias.test")
      again = start "alias.test"
    end)
    assert.equal("none", again.fault)
    local before = #server.asked
    pass(1.1)
    resolve "alias.test"
    assert.is_true(#server.asked > before)
  end)

  it("asks once for all who wait", function()
    create()
    local first, second, third = start "api.test", start "Api.Test", start "api.test"
    finish(third)
    assert.same({ 1, 1, 1 }, { first.times, second.times, third.times })
    assert.equal(first.addresses, second.addresses)
    assert.equal(1, count_asked "api.test A")
    assert.equal(1, count_asked "api.test AAAA")
  end)

  it("keeps for a while that there is no such name", function()
    create()
    assert.same({ "upstream-dns-error", "" }, resolve "missing.test")
    local asked = #server.asked
    server.zone["missing.test"] = { A = { v4(1) }, ttl = 60 }
    local again = start "missing.test"
    assert.same({ 1, "upstream-dns-error" }, { again.times, again.fault })
    assert.equal(asked, #server.asked)
  end)

  it("takes a name without addresses for missing", function()
    server.zone["empty.test"] = { ttl = 60 }
    create()
    assert.same({ "upstream-dns-error", "" }, resolve "empty.test")
  end)

  it("says when no server answered in time, and asks again a second later", function()
    server.is_silent = true
    create { timeout = 0.05 }
    local again
    in_a_second(function()
      assert.same({ "upstream-dns-timeout", "" }, resolve "api.test")
      again = start "api.test"
      if again.times == 0 then finish(again) end
    end)
    assert.is_true(count_asked "api.test A" >= 2)
    assert.equal(1, again.times)
    server.is_silent = false
    pass(1.1)
    assert.same({ "none", "192.0.2.1:80 [2001:db8::1]:80" }, resolve "api.test")
  end)

  it("says when servers fail", function()
    server.zone["broken.test"] = { code = 2 }
    create()
    assert.same({ "upstream-dns-error", "" }, resolve "broken.test")
  end)

  it("says when no server listens", function()
    local gone = dns_server.new()
    gone:close()
    create { servers = gone.address }
    assert.same({ "upstream-dns-error", "" }, resolve "api.test")
  end)

  it("goes on with the last addresses while servers are silent, and with new ones after", function()
    server.zone["api.test"].ttl = 1
    create { timeout = 0.6 }
    resolve "api.test"
    server.is_silent = true
    pass(1.1)

    local started = system.now()
    assert.same({ "none", "192.0.2.1:80 [2001:db8::1]:80" }, resolve "api.test")
    assert.is_true(system.now() - started > 0.3) -- it waited for better ones
    local second = start "api.test"
    assert.same({ 1, "none" }, { second.times, second.fault }) -- that did not

    server.is_silent = false
    server.zone["api.test"] = { A = { v4(2) }, ttl = 60 }
    local tries, answer = 0
    repeat
      pass(0.5)
      answer, tries = resolve "api.test", tries + 1
    until answer[2] == "192.0.2.2:80" or tries == 20
    assert.same({ "none", "192.0.2.2:80" }, answer)
  end)

  it("goes on with the last addresses while servers fail, but not beyond a limit", function()
    server.zone["api.test"].ttl = 1
    create { stale_seconds = 3 }
    resolve "api.test"
    server.zone["api.test"].code = 2
    pass(1.1)
    assert.same({ "none", "192.0.2.1:80 [2001:db8::1]:80" }, resolve "api.test")
    pass(4)
    assert.same({ "upstream-dns-error", "" }, resolve "api.test")
  end)

  it("drops its addresses when servers say that the name is gone", function()
    server.zone["api.test"].ttl = 1
    create()
    resolve "api.test"
    server.zone["api.test"] = nil
    pass(1.1)
    assert.same({ "upstream-dns-error", "" }, resolve "api.test")
  end)

  it("asks the servers it was given, one after the other", function()
    local silent = dns_server.new()
    silent.is_silent = true
    create { servers = silent.address .. "," .. server.address, timeout = 0.05 }
    assert.same({ "none", "192.0.2.1:80 [2001:db8::1]:80" }, resolve "api.test")
    silent:serve()
    assert.is_true(#silent.asked > 0)
    silent:close()
  end)

  it("refuses servers that it cannot read", function()
    assert.is_false(create { servers = "not a server" })
  end)

  for _, host in ipairs {
    "", "a b", "a\nb", "\195\164.test", ("x"):rep(255), "a..b", ("x"):rep(64),
  } do
    it(("does not ask for %q"):format(host), function()
      create()
      assert.same({ "upstream-dns-error", "" }, resolve(host))
      assert.same({}, server.asked)
    end)
  end

  it("forgets a question that is cancelled, and only that one", function()
    create()
    local cancelled, other = start "api.test", start "api.test"
    C.spec_resolver_cancel(cancelled.query)
    assert.is_true(cancelled.query[0] == nil)
    finish(other)
    pass(0.05)
    assert.equal(0, cancelled.times)
  end)

  it("keeps the answer to a question that nobody waits for any more", function()
    create()
    C.spec_resolver_cancel(start("api.test").query)
    pass(0.1)
    assert.equal(1, start("api.test").times)
  end)

  it("lets an answer cancel others and ask again", function()
    create()
    local victim, again, unknown
    local first = start("api.test", function()
      C.spec_resolver_cancel(victim.query)
      again = start "api.test"
      unknown = start "missing.test"
    end)
    victim = start "api.test"
    finish(first)
    assert.equal("none", again.fault)
    assert.same({ "upstream-dns-error", "" }, finish(unknown))
    assert.equal(0, victim.times)
  end)

  it("is destroyed while questions are open", function()
    create()
    local ask = start "api.test"
    C.spec_resolver_destroy(resolver)
    resolver = nil
    pass(0.05)
    assert.equal(0, ask.times)
  end)

  describe("that is configured anew", function()
    local BOTH = "192.0.2.1:80 [2001:db8::1]:80"
    local other

    before_each(function() other = dns_server.new() end)
    after_each(function() other:close() end)

    local function prepare(servers, timeout)
      return C.spec_resolver_prepare(resolver[0], ffi.new("struct spec_resolver_options", servers,
        timeout or 5, 0))
    end

    it("asks other servers from then on, and keeps what it knows", function()
      other.zone["new.test"] = { A = { v4(7) }, ttl = 60 }
      create()
      assert.same({ "none", BOTH }, resolve "api.test")
      assert.is_true(prepare(other.address))
      C.spec_resolver_configure(resolver[0])
      assert.equal(1, start("api.test").times)
      local ask = start "new.test"
      loop:run(function()
        other:serve()
        return ask.times > 0
      end)
      assert.equal("192.0.2.7:80", ask.addresses)
    end)

    it("changes nothing before that", function()
      create()
      assert.is_true(prepare(other.address))
      assert.same({ "none", BOTH }, resolve "api.test")
      assert.equal(0, #other.asked)
      assert.is_true(prepare(other.address))
    end)

    it("asks the new servers what the old ones have not answered yet", function()
      other.zone["slow.test"] = { A = { v4(9) }, ttl = 60 }
      server.is_silent = true
      create()
      local first, second = start "slow.test", start "slow.test"
      pass(0.02)
      assert.is_true(prepare(other.address))
      C.spec_resolver_configure(resolver[0])
      loop:run(function()
        other:serve()
        return first.times > 0 and second.times > 0
      end)
      assert.equal("192.0.2.9:80", first.addresses)
      assert.equal("192.0.2.9:80", second.addresses)
    end)

    it("goes on with the same questions where it would ask in the same way", function()
      create()
      local ask = start "api.test"
      assert.is_true(prepare(server.address))
      C.spec_resolver_configure(resolver[0])
      assert.same({ "none", BOTH }, finish(ask))
    end)

    it("refuses servers that cannot be read", function()
      create()
      assert.is_false(prepare "no server")
      assert.same({ "none", BOTH }, resolve "api.test")
    end)
  end)

  it("forgets the name that was not asked for longest when there are too many", function()
    local function name(i) return ("n%d.invalid.."):format(i) end -- fails without a server
    create()
    resolve "api.test"
    for i = 1, NAMES_MAX - 1 do resolve(name(i)) end
    assert.equal(1, start("api.test").times)
    for i = 1, NAMES_MAX - 1 do resolve("x" .. name(i)) end
    assert.equal(1, start("api.test").times)
    resolve(name(1))
    resolve(name(2))
    for i = 1, NAMES_MAX - 1 do resolve("y" .. name(i)) end
    assert.equal(0, start("api.test").times)
  end)

  it("refuses a name beyond its limit rather than one that is waited for", function()
    server.is_silent = true
    create()
    for i = 1, NAMES_MAX do
      assert.equal(0, start(("n%d.test"):format(i)).times)
    end
    local beyond = start "beyond.test"
    assert.same({ 1, "upstream-dns-error" }, { beyond.times, beyond.fault })
    assert.equal(0, start("n1.test").times)
  end)
end)
