jit.off(true, true) -- compiled code must not be called back

local bit = require "bit"
local certificates = require "spec.support.certificates"
local ffi = require "ffi"
local native = require "spec.support.native"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local streams = require "spec.support.streams"
local system = require "spec.support.system"
local tls = require "spec.support.tls"

native.declare [[
struct spec_listener_options {
  void *tls;
  int proxy_protocol;
  const struct address_block *proxy_sources;
  size_t proxy_source_count;
  double handshake_timeout, look_seconds;
};
struct spec_listener_events {
  bool (*may_accept)(void *data, const struct address *peer);
  void (*on_connection)(void *data, void *stream, const struct address *client);
  void (*on_failed)(void *data, const struct address *peer, const char *detail);
  void (*on_closed)(void *data);
};
struct address_block { unsigned char bytes[16]; int family; unsigned bits; };
bool address_block_parse(struct slice text, struct address_block *block);
int spec_listener_open(const struct address *address, bool reuse_port, int backlog, char *error)
  __asm__("listener_open");
void *spec_listener_create(void *loop, int fd, const struct spec_listener_options *options,
                           const struct spec_listener_events *events, void *data)
  __asm__("listener_create");
void spec_listener_destroy(void **listener) __asm__("listener_destroy");
void spec_listener_configure(void *listener, const struct spec_listener_options *options)
  __asm__("listener_configure");
void spec_listener_retire(void **listener, void (*retired)(void *data))
  __asm__("listener_retire");
int spec_setrlimit(int, const unsigned long *) __asm__("setrlimit");
int spec_dup(int) __asm__("dup");
void log_configure(int level, int format);
double spec_loop_turns_behind(void *) __asm__("loop_turns_behind");
]]
local C = native.C

local NONE, V1, V2, ANY = 0, 1, 2, 3
local RLIMIT_NOFILE = 7
local TCP4_HEADER = "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n"
local BINARY_HEADER = "\r\n\r\n\0\r\nQUIT\n\33\17\0\12\192\0\2\1\198\51\100\7\18\103\1\187"

local function open(text, reuse_port)
  local problem = ffi.new "char[256]"
  local fd = C.spec_listener_open(native.address(text), reuse_port or false, 128, problem)
  if fd < 0 then return nil, ffi.string(problem) end
  return fd
end

local function port_of(fd)
  local name, size = ffi.new "struct spec_ipv6", ffi.new("uint32_t[1]", 28)
  ffi.C.spec_getsockname(fd, name, size)
  return bit.bor(bit.lshift(bit.band(name.port, 0xff), 8), bit.rshift(name.port, 8))
end

local function close(fd)
  ffi.C.spec_close(fd)
end

describe("listener", function()
  local loop, listener, fd, admits

  -- What a listener called back; the FFI has few callbacks, so all cases share these.
  local made, failures
  local may_accept = ffi.cast("bool (*)(void *, const struct address *)", function(_, peer)
    return admits(native.address_text(peer))
  end)
  local on_connection = ffi.cast("void (*)(void *, void *, const struct address *)",
    function(_, stream, client)
      made[#made + 1] = {
        stream = stream,
        client = native.address_text(client),
      }
    end)
  local on_failed = ffi.cast("void (*)(void *, const struct address *, const char *)",
    function(_, peer, detail)
      failures[#failures + 1] = { native.address_text(peer), ffi.string(detail) }
    end)
  local events = ffi.new("struct spec_listener_events", may_accept, on_connection, on_failed)

  local closings, retirements
  events.on_closed = ffi.cast("void (*)(void *)", function() closings = closings + 1 end)
  local on_retired = ffi.cast("void (*)(void *)", function() retirements = retirements + 1 end)

  local sources, options -- keep alive what the listener borrows

  local function make_options(overrides)
    local blocks = overrides.sources or {}
    sources = ffi.new("struct address_block[?]", math.max(#blocks, 1))
    for i, block in ipairs(blocks) do
      assert(C.address_block_parse(native.slice(block), sources + (i - 1)))
    end
    options = ffi.new("struct spec_listener_options", {
      tls = overrides.tls, proxy_protocol = overrides.proxy or NONE,
      handshake_timeout = overrides.timeout or 0, look_seconds = overrides.look or 0,
      proxy_sources = sources, proxy_source_count = #blocks,
    })
    return options
  end

  -- Accepts from `fd`.
  local function start(overrides)
    listener = ffi.new("void *[1]",
      C.spec_listener_create(loop.c, fd, make_options(overrides), events, nil))
  end

  local function retire()
    C.spec_listener_retire(listener, on_retired)
    assert.is_true(listener[0] == nil)
    listener = nil
  end

  local function listen(overrides, text)
    fd = assert(open(text or "127.0.0.1:0"))
    start(overrides or {})
  end

  local function connect()
    return socket.connect("127.0.0.1", port_of(fd))
  end

  local function connections(count)
    loop:run(function() return #made >= count end)
    return made[count]
  end

  local function failure()
    loop:run(function() return #failures > 0 end)
    return failures[1][2]
  end

  -- All that a ready stream has to read.
  local function read(connection)
    local bytes = ffi.new "char[4096]"
    local count = tonumber(streams.C.net_stream_read(connection.stream, bytes, 4096))
    return count > 0 and ffi.string(bytes, count) or count
  end

  before_each(function()
    loop, made, failures, fd, listener = streams.loop(), {}, {}, nil, nil
    closings, retirements = 0, 0
    admits = function() return true end
  end)

  after_each(function()
    if listener then C.spec_listener_destroy(listener) end
    if fd then close(fd) end
    for _, connection in ipairs(made) do
      streams.C.net_stream_destroy(ffi.new("void *[1]", connection.stream))
    end
    loop:close()
  end)

  it("hands on a connection, with who is at its other end", function()
    listen()
    local client = connect()
    local connection = connections(1)
    assert.equal("127.0.0.1:" .. client:port(), connection.client)
    client:send "hello"
    loop:run(function() return read(connection) == "hello" end)
    client:close()
  end)

  it("sets up descriptors that do not block, are not inherited and do not delay", function()
    listen()
    local client = connect()
    local stream_fd = streams.C.net_stream_fd(connections(1).stream)
    local info = system.read_file(("/proc/self/fdinfo/%d"):format(stream_fd))
    local flags = tonumber(info:match "flags:%s*(%d+)", 8)
    assert.equal(2048 + 524288, bit.band(flags, 2048 + 524288))
    local value, size = ffi.new "int[1]", ffi.new("uint32_t[1]", 4)
    ffi.C.spec_getsockopt(stream_fd, 6, 1, value, size)
    assert.equal(1, value[0])
    client:close()
  end)

  it("serves unix sockets", function()
    local directory = system.temporary_directory()
    local text = "unix:" .. directory .. "/socket"
    listen({}, text)
    local client = socket.connect(text)
    assert.equal("unix", connections(1).client)
    client:close()
    process.remove(directory)
  end)

  it("accepts at most 64 connections per event", function()
    listen()
    local clients = {}
    for i = 1, 70 do clients[i] = connect() end
    local most, before, behind = 0, 0, 0
    loop:run(function()
      most, before = math.max(most, #made - before), #made
      behind = math.max(behind, C.spec_loop_turns_behind(loop.c))
      return #made == 70
    end)
    assert.equal(64, most)
    assert.equal(6 / 64, behind) -- turns that the others have to wait
    for _, client in ipairs(clients) do client:close() end
  end)

  it("notices within a few turns that several wait, where none had for long", function()
    listen()
    local clients = {}
    for i = 1, 20 do
      clients[i] = connect()
      loop:run(function() return #made == i end)
    end
    for i = 21, 90 do clients[i] = connect() end
    local turns = 0
    loop:run(function()
      turns = turns + 1
      return #made == 90
    end)
    assert.is_true(turns <= 8, turns .. " turns")
    for _, client in ipairs(clients) do client:close() end
  end)

  it("closes at once whom it may not accept", function()
    local asked = {}
    admits = function(peer)
      asked[#asked + 1] = peer
      return #asked > 1
    end
    listen()
    local refused = connect()
    loop:run(function() return #asked == 1 end)
    assert.same({ "", "closed" }, { refused:receive_all() })
    local admitted = connect()
    connections(1)
    assert.same({ "127.0.0.1:" .. refused:port(), "127.0.0.1:" .. admitted:port() }, asked)
    assert.same({}, failures)
    refused:close()
    admitted:close()
  end)

  for name, header in pairs { ["version 1"] = TCP4_HEADER, ["version 2"] = BINARY_HEADER } do
    it("takes the client from a PROXY header of " .. name, function()
      listen { proxy = ANY }
      local client = connect()
      client:send(header .. "GET / HTTP/1.1\r\n")
      local connection = connections(1)
      assert.equal("192.0.2.1:4711", connection.client)
      assert.equal("GET / HTTP/1.1\r\n", read(connection))
      client:close()
    end)

    it("waits for each byte of a PROXY header of " .. name, function()
      listen { proxy = ANY }
      local client = connect()
      for i = 1, #header - 1 do
        client:send(header:sub(i, i))
        loop:run(function() return true end)
      end
      loop:pass(0.02)
      assert.same({ {}, {} }, { made, failures })
      client:send(header:sub(-1) .. "rest")
      local connection = connections(1)
      assert.equal("192.0.2.1:4711", connection.client)
      assert.equal("rest", read(connection))
      client:close()
    end)
  end

  it("does not spin while half a PROXY header is there", function()
    listen { proxy = V1 }
    local client = connect()
    client:send "PROXY TCP4 192."
    loop:pass(0.02)
    local turns, is_over = 0, false
    streams.C.net_timeout_set(loop:timeout(function() is_over = true end), 0.1)
    loop:run(function()
      turns = turns + 1
      return is_over
    end)
    assert.is_true(turns < 10, turns .. " turns")
    client:close()
  end)

  for name, header in pairs {
    UNKNOWN = "PROXY UNKNOWN\r\n", LOCAL = "\r\n\r\n\0\r\nQUIT\n\32\0\0\3abc",
  } do
    it("keeps the socket's address for " .. name, function()
      listen { proxy = ANY }
      local client = connect()
      client:send(header)
      assert.equal("127.0.0.1:" .. client:port(), connections(1).client)
      client:close()
    end)
  end

  for name, case in pairs {
    ["plain HTTP"] = { ANY, "GET / HTTP/1.1\r\n" },
    ["version 2 where version 1 is spoken"] = { V1, BINARY_HEADER },
    ["version 1 where version 2 is spoken"] = { V2, TCP4_HEADER },
  } do
    it("refuses " .. name, function()
      listen { proxy = case[1] }
      local client = connect()
      client:send(case[2])
      assert.equal("the PROXY header is malformed", failure())
      assert.equal("127.0.0.1:" .. client:port(), failures[1][1])
      assert.equal("", (client:receive_all()))
      assert.same({}, made)
      client:close()
    end)
  end

  it("reports a connection that ends within its PROXY header", function()
    listen { proxy = ANY }
    local client = connect()
    client:send "PROXY "
    client:close()
    assert.equal("closed before its PROXY header was complete", failure())
  end)

  it("reports a PROXY header that takes too long", function()
    listen { proxy = ANY, timeout = 0.05 }
    local client = connect()
    client:send "PROXY "
    assert.equal("the PROXY header and TLS handshake took too long", failure())
    assert.same({ "", "closed" }, { client:receive_all() })
    client:close()
  end)

  it("refuses PROXY headers from others than its sources", function()
    listen { proxy = ANY, sources = { "10.0.0.0/8", "127.0.0.2" } }
    local stranger = connect()
    stranger:send(TCP4_HEADER)
    assert.equal("not a source of PROXY headers", failure())
    assert.equal("", (stranger:receive_all()))
    local balancer = socket.connect("127.0.0.1", port_of(fd), { from = "127.0.0.2" })
    balancer:send(TCP4_HEADER)
    assert.equal("192.0.2.1:4711", connections(1).client)
    balancer:close()
    stranger:close()
  end)

  describe("with TLS", function()
    local directory, context, client_context

    setup(function()
      directory = system.temporary_directory()
      local authority = certificates.authority(directory, "authority")
      local own = authority:issue { name = "api.test", alternatives = "DNS:api.test" }
      context = assert(tls.server { certificates = { own } })
      client_context = assert(tls.client { authority = authority.certificate })
    end)

    teardown(function()
      tls.release(context)
      tls.release(client_context)
      process.remove(directory)
    end)

    -- Over a socket that may have said something before.
    local function shake_hands(client)
      local stream = streams.over(loop, client.fd)
      stream:connect_tls(client_context, "api.test")
      loop:run(function() return stream.fault and #made > 0 end)
      assert.equal("none", stream.fault)
      stream:attach()
      return stream
    end

    it("hands on a connection after the handshake", function()
      listen { tls = context }
      local client = connect()
      local port = client:port()
      local stream = shake_hands(client)
      assert.equal("127.0.0.1:" .. port, made[1].client)
      stream:write "secret"
      loop:run(function() return read(made[1]) == "secret" end)
    end)

    for name, header in pairs { ["version 1"] = TCP4_HEADER, ["version 2"] = BINARY_HEADER } do
      it("reads a PROXY header of " .. name .. " before the handshake", function()
        listen { tls = context, proxy = ANY }
        local client = connect()
        client:send(header)
        shake_hands(client)
        assert.equal("192.0.2.1:4711", made[1].client)
        assert.truthy(streams.C.net_stream_tls(made[1].stream) ~= nil)
      end)
    end

    it("reports a handshake that fails", function()
      listen { tls = context }
      local client = connect()
      client:send "GET / HTTP/1.1\r\n\r\n"
      assert.truthy(failure():find "http request")
      assert.same({}, made)
      client:close()
    end)

    it("reports a handshake that takes too long", function()
      listen { tls = context, timeout = 0.05 }
      local client = connect()
      assert.equal("the TLS handshake took too long", failure())
      assert.same({ "", "closed" }, { client:receive_all() })
      client:close()
    end)

    it("closes handshakes that run when it is destroyed", function()
      listen { tls = context }
      local client = connect()
      local asked = false
      admits = function()
        asked = true
        return true
      end
      loop:run(function() return asked end)
      C.spec_listener_destroy(listener)
      listener = nil
      assert.equal("", (client:receive_all()))
      client:close()
    end)
  end)

  it("closes what is not ready when it is destroyed, and accepts no more", function()
    listen { proxy = ANY }
    local client = connect()
    client:send "PROXY "
    local asked = false
    admits = function()
      asked = true
      return true
    end
    loop:run(function() return asked end)
    C.spec_listener_destroy(listener)
    listener = nil
    assert.same({ "", "closed" }, { client:receive_all() })
    local late = connect() -- the kernel queues it: the descriptor lives on
    loop:pass(0.05)
    assert.same({ {}, {} }, { made, failures })
    late:close()
    client:close()
  end)

  it("takes new options for connections to come, while others go on as they began", function()
    listen { proxy = ANY }
    local old = connect()
    old:send "PROXY "
    loop:pass(0.02)
    C.spec_listener_configure(listener[0], make_options { proxy = NONE })
    local new = connect()
    assert.equal("127.0.0.1:" .. new:port(), connections(1).client)
    old:send(TCP4_HEADER:sub(#"PROXY " + 1))
    assert.equal("192.0.2.1:4711", connections(2).client)
    old:close()
    new:close()
  end)

  it("accepts what waits when it retires, then nothing", function()
    listen()
    local clients = {}
    for i = 1, 70 do clients[i] = connect() end
    retire()
    loop:run(function() return retirements == 1 end)
    assert.equal(70, #made)
    local late = connect()
    loop:pass(0.05)
    assert.equal(70, #made)
    late:close()
    for _, client in ipairs(clients) do client:close() end
  end)

  it("that only looks accepts as well, and all that waits when it retires", function()
    listen { look = 0.02 }
    local clients = {}
    for i = 1, 70 do clients[i] = connect() end
    loop:run(function() return #made == 70 end)
    for i = 71, 150 do clients[i] = connect() end
    retire()
    loop:run(function() return retirements == 1 end)
    assert.same({ 150, 1 }, { #made, closings })
    local late = connect()
    loop:pass(0.05)
    assert.equal(150, #made)
    late:close()
    for _, client in ipairs(clients) do client:close() end
  end)

  it("waits for handshakes that run when it retires", function()
    listen { proxy = ANY }
    local client, silent = connect(), connect()
    client:send "PROXY "
    loop:pass(0.02)
    retire()
    loop:pass(0.02)
    assert.same({ 1, 0 }, { closings, retirements })
    client:send(TCP4_HEADER:sub(#"PROXY " + 1))
    assert.equal("192.0.2.1:4711", connections(1).client)
    assert.equal(0, retirements)
    silent:close()
    loop:run(function() return retirements == 1 end)
    assert.equal("closed before its PROXY header was complete", failure())
    client:close()
  end)

  it("has retired at once where nobody waits", function()
    listen()
    retire()
    assert.equal(1, retirements)
  end)

  it("steps back while descriptors run out, closes one that waits, and goes on after", function()
    fd = assert(open "127.0.0.1:0")
    local directory = system.temporary_directory()
    local child = process.fork(function()
      loop = streams.loop()
      start {}
      local log = ffi.C.spec_open(directory .. "/log", 1 + 64 + 1024, 384)
      ffi.C.spec_dup2(log, 2)
      ffi.C.spec_setrlimit(RLIMIT_NOFILE, ffi.new("unsigned long[2]", 100, 100))
      local fillers = {}
      repeat fillers[#fillers + 1] = ffi.C.spec_dup(0) until fillers[#fillers] < 0
      table.remove(fillers)

      local turns, is_over = 0, false
      streams.C.net_timeout_set(loop:timeout(function() is_over = true end), 0.35)
      loop:run(function()
        turns = turns + 1
        return is_over
      end)
      assert(turns < 30, turns .. " turns: it spins")
      assert(#made == 0)
      for i = 1, 20 do close(fillers[i]) end
      loop:run(function() return #made > 0 end)
      for _, connection in ipairs(made) do
        streams.C.net_stream_write(connection.stream, ffi.new("struct net_vector", "ok", 2), 1)
      end
    end)
    local clients, closed, served = {}, 0, 0
    for i = 1, 10 do clients[i] = connect() end
    assert.equal(0, child:wait(30))
    for _, client in ipairs(clients) do
      client.seconds = 0.01 -- some may still be queued
      local text, how = client:receive_all()
      closed = closed + (text == "" and how ~= "timeout" and 1 or 0)
      served = served + (text == "ok" and 1 or 0)
      client:close()
    end
    assert.is_true(closed >= 1 and closed <= 5, closed .. " closed")
    assert.is_true(served >= 1)
    local _, complaints = system.read_file(directory .. "/log")
      :gsub("error cannot accept connections: Too many open files; 1 were closed\n", "")
    assert.equal(1, complaints)
    process.remove(directory)
  end)
end)
