--- streams: the loop, streams and connectors of runtime/net, driven from specs.
--
-- C names are redirected (`net_stream_read` is `stream_read`) and structs are our own, so that
-- nothing clashes with what other specs declare. One set of FFI callbacks serves all streams;
-- an error in a handler is kept, and raised by whoever drives the loop.

jit.off(true, true) -- compiled code must not be called back

local registry = debug.getregistry()
if registry.moongate_spec_streams then return registry.moongate_spec_streams end

local ffi = require "ffi"
local system = require "spec.support.system"

ffi.cdef [[
  struct net_slice { const char *start; size_t length; };
  struct net_vector { const void *start; size_t length; };
  struct net_address {
    uint32_t length; bool both_families; union { uint16_t family; uint32_t words[28]; };
  };
  struct net_timer { int active, pending, priority; void *data; void *callback; double at, again; };
  struct net_loop {
    void *ev, *blocks[2], *scratch, *lists[8], *watchers[12]; struct net_timer clock;
    double monotonic, created, *turn, own_turn; void (*on_turn)(void *, double); void *on_turn_data;
  };
  struct net_timeout {
    struct net_timer timer; void *loop; double deadline, fires; void (*on_timeout)(void *);
    void *data;
    void *next_spare; bool is_unreferenced;
  };
  struct net_stream_events { void (*on_readable)(void *); void (*on_writable)(void *); };
  struct net_connector_options {
    struct net_address address; void *tls; const char *server_name; double timeout;
  };
  struct net_loop *net_loop_create(void) __asm__("loop_create");
  void net_loop_destroy(struct net_loop **) __asm__("loop_destroy");
  void net_loop_run(struct net_loop *) __asm__("loop_run");
  void net_loop_run_once(struct net_loop *) __asm__("loop_run_once");
  void net_loop_stop(struct net_loop *) __asm__("loop_stop");
  double net_loop_monotonic(const struct net_loop *) __asm__("loop_monotonic");
  void net_timeout_init(struct net_timeout *, void *, void (*)(void *), void *)
    __asm__("timeout_init");
  void net_timeout_set(struct net_timeout *, double) __asm__("timeout_set");
  void net_timeout_clear(struct net_timeout *) __asm__("timeout_clear");
  void net_timeout_stop(struct net_timeout *) __asm__("timeout_stop");
  struct net_timeout *net_timeout_acquire(struct net_loop *, void (*)(void *), void *)
    __asm__("timeout_acquire");
  void net_timeout_release(struct net_timeout **) __asm__("timeout_release");
  void *net_stream_create(struct net_loop *, int) __asm__("stream_create");
  void net_stream_destroy(void **) __asm__("stream_destroy");
  void net_stream_abort(void **) __asm__("stream_abort");
  void net_stream_attach(void *, const struct net_stream_events *, void *) __asm__("stream_attach");
  intptr_t net_stream_read(void *, void *, size_t) __asm__("stream_read");
  bool net_stream_has_pending(const void *) __asm__("stream_has_pending");
  intptr_t net_stream_write(void *, const struct net_vector *, int) __asm__("stream_write");
  void net_stream_pause(void *) __asm__("stream_pause");
  void net_stream_resume(void *) __asm__("stream_resume");
  void net_stream_await_writable(void *) __asm__("stream_await_writable");
  void net_stream_end_soon(void *) __asm__("stream_end_soon");
  void net_stream_peer_has_said_all(void *) __asm__("stream_peer_has_said_all");
  void net_stream_shut_down(void *) __asm__("stream_shut_down");
  bool net_stream_is_quiet(void *) __asm__("stream_is_quiet");
  uint64_t net_stream_bytes_acknowledged(const void *) __asm__("stream_bytes_acknowledged");
  void net_stream_accept_tls(void *, void *, void *, void *) __asm__("stream_accept_tls");
  struct net_stream_server { const char *name; const struct net_address *address; };
  void net_stream_connect_tls(void *, void *, const struct net_stream_server *, void *, void *)
    __asm__("stream_connect_tls");
  int net_stream_fd(const void *) __asm__("stream_fd");
  void *net_stream_tls(const void *) __asm__("stream_tls");
  struct net_slice net_stream_server_name(const void *) __asm__("stream_server_name");
  struct net_slice net_stream_application_protocol(const void *)
    __asm__("stream_application_protocol");
  bool net_address_parse(struct net_slice, struct net_address *) __asm__("address_parse");
  void *net_connector_start(struct net_loop *, const struct net_connector_options *, void *, void *)
    __asm__("connector_start");
  void net_connector_cancel(void **) __asm__("connector_cancel");
  const char *net_fault_type(int) __asm__("fault_type");
  int net_socketpair(int, int, int, int *) __asm__("socketpair");
]]

local C = ffi.load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so")

local streams = { C = C, END = 0, AGAIN = -1, BROKEN = -2 }

local listeners, last_id, failure = {}, 0, nil

-- What C hands back as `data` is a number that stands for a Lua object.
local function remember(object)
  last_id = last_id + 1
  listeners[last_id] = object
  return ffi.cast("void *", last_id), last_id
end

local function call(data, method, ...)
  local object = listeners[tonumber(ffi.cast("intptr_t", data))]
  local ok, message = pcall(object[method], object, ...)
  if not ok then failure = failure or message end
end

local function text_or_nil(pointer)
  return pointer ~= nil and ffi.string(pointer) or nil
end

local on_timeout = ffi.cast("void (*)(void *)", function(data) call(data, "on_timeout") end)
local on_readable = ffi.cast("void (*)(void *)", function(data) call(data, "on_readable") end)
local on_writable = ffi.cast("void (*)(void *)", function(data) call(data, "on_writable") end)
local on_handshaken = ffi.cast("void (*)(void *, int, const char *)", function(data, fault, detail)
  call(data, "on_handshaken", ffi.string(C.net_fault_type(fault)), text_or_nil(detail))
end)
local on_connected = ffi.cast("void (*)(void *, int, void *, const char *)",
  function(data, fault, stream, detail)
    call(data, "on_connected", ffi.string(C.net_fault_type(fault)), stream, text_or_nil(detail))
  end)
local events = ffi.new("struct net_stream_events", on_readable, on_writable)

---@class SpecLoop
local Loop = {}
Loop.__index = Loop

local function nothing() end

function streams.loop()
  local loop = setmetatable({ c = C.net_loop_create(), streams = {}, timeouts = {} }, Loop)
  loop.guard = loop:timeout(nothing)
  return loop
end

--- A timeout that calls `handler` when it passes.
function Loop:timeout(handler)
  local c = ffi.new "struct net_timeout"
  C.net_timeout_init(c, self.c, on_timeout, (remember { on_timeout = handler }))
  self.timeouts[#self.timeouts + 1] = c
  return c
end

--- One of the loop's own timeouts, to be given back with Loop:give_back.
function Loop:borrow(handler)
  return C.net_timeout_acquire(self.c, on_timeout, (remember { on_timeout = handler }))
end

function Loop.give_back(_, timeout)
  C.net_timeout_release(ffi.new("struct net_timeout *[1]", timeout))
end

--- Handles what happens until `condition` holds.
function Loop:run(condition, seconds)
  local deadline = system.now() + (seconds or 60)
  while not condition() do
    if system.now() > deadline then error("the loop waited in vain", 2) end
    C.net_timeout_set(self.guard, 0.05)
    C.net_loop_run_once(self.c)
    if failure then
      local message = failure
      failure = nil
      error(message, 0)
    end
  end
end

--- Lets `seconds` pass on the loop.
function Loop:pass(seconds)
  local is_over = false
  C.net_timeout_set(self:timeout(function() is_over = true end), seconds)
  self:run(function() return is_over end)
end

--- Destroys what was made on the loop, then the loop.
function Loop:close()
  for _, stream in ipairs(self.streams) do stream:destroy() end
  for _, timeout in ipairs(self.timeouts) do C.net_timeout_stop(timeout) end
  C.net_loop_destroy(ffi.new("struct net_loop *[1]", self.c))
end

---@class SpecStream
local Stream = {}
Stream.__index = Stream

local ROOM = 262144
local room = ffi.new("char[?]", ROOM)

local function wrap(loop, c)
  local stream = setmetatable({ loop = loop, c = c, received = {}, readables = 0 }, Stream)
  loop.streams[#loop.streams + 1] = stream
  stream.data = remember(stream)
  return stream
end

--- A stream over a connected descriptor, which it takes over; not attached yet.
function streams.over(loop, fd)
  return wrap(loop, C.net_stream_create(loop.c, fd))
end

--- Two streams, each the other's peer, over a unix socket pair.
function streams.pair(loop)
  local fds = ffi.new "int[2]"
  assert(C.net_socketpair(1, 1 + 2048 + 524288, 0, fds) == 0, system.last_error())
  return streams.over(loop, fds[0]), streams.over(loop, fds[1])
end

function Stream:attach()
  C.net_stream_attach(self.c, events, self.data)
  return self
end

function Stream:detach()
  C.net_stream_attach(self.c, nil, nil)
end

--- Bytes, or STREAM_END, STREAM_AGAIN, STREAM_BROKEN.
function Stream:read(bytes_max)
  local count = tonumber(C.net_stream_read(self.c, room, bytes_max or ROOM))
  return count > 0 and ffi.string(room, count) or count
end

--- Writes strings as one vector each; bytes taken, STREAM_AGAIN or STREAM_BROKEN.
function Stream:write(...)
  local count = select("#", ...)
  local vectors = ffi.new("struct net_vector[?]", count)
  for i = 1, count do
    local bytes = select(i, ...)
    vectors[i - 1] = { ffi.cast("const char *", bytes), #bytes }
  end
  return tonumber(C.net_stream_write(self.c, vectors, count))
end

-- The default handlers: keep all that comes, write all that `send` was given.
function Stream:on_readable()
  self.readables = self.readables + 1
  local bytes = self:read()
  if type(bytes) == "string" then
    self.received[#self.received + 1] = bytes
  elseif bytes ~= streams.AGAIN then
    self.ending = bytes
  end
end

function Stream:on_writable()
  local unsent = self.unsent
  while unsent and self.sent < #unsent do
    local start = ffi.cast("const char *", unsent) + self.sent
    local vector = ffi.new("struct net_vector[1]", { { start, #unsent - self.sent } })
    local count = tonumber(C.net_stream_write(self.c, vector, 1))
    if count < 0 then
      if count == streams.BROKEN then self.write_ending = count else self:await_writable() end
      return
    end
    self.sent = self.sent + count
  end
  self.unsent = nil
  if self.then_shut_down then self:shut_down() end
end

--- Writes all of `bytes`, as fast as the other side takes them.
function Stream:send(bytes)
  self.unsent, self.sent = bytes, 0
  self:on_writable()
end

function Stream:text() return table.concat(self.received) end
function Stream:length()
  local sum = 0
  for _, bytes in ipairs(self.received) do sum = sum + #bytes end
  return sum
end
function Stream:pause() C.net_stream_pause(self.c) end
function Stream:resume() C.net_stream_resume(self.c) end
function Stream:await_writable() C.net_stream_await_writable(self.c) end
function Stream:end_soon() C.net_stream_end_soon(self.c) end
function Stream:peer_has_said_all() C.net_stream_peer_has_said_all(self.c) end
function Stream:shut_down() C.net_stream_shut_down(self.c) end
function Stream:is_quiet() return C.net_stream_is_quiet(self.c) end
function Stream:has_pending() return C.net_stream_has_pending(self.c) end
function Stream:acknowledged() return tonumber(C.net_stream_bytes_acknowledged(self.c)) end
function Stream:fd() return C.net_stream_fd(self.c) end
function Stream:tls() return C.net_stream_tls(self.c) end

function Stream:server_name()
  local name = C.net_stream_server_name(self.c)
  return ffi.string(name.start, name.length)
end

function Stream:application_protocol()
  local name = C.net_stream_application_protocol(self.c)
  return ffi.string(name.start, name.length)
end

function Stream:destroy()
  if self.c == nil then return end
  local box = ffi.new("void *[1]", self.c)
  self.c = nil
  C.net_stream_destroy(box)
end

function Stream:abort()
  local box = ffi.new("void *[1]", self.c)
  self.c = nil
  C.net_stream_abort(box)
end

function Stream:on_handshaken(fault, detail)
  self.fault, self.detail = fault, detail
end

function Stream:accept_tls(context)
  C.net_stream_accept_tls(self.c, context, on_handshaken, self.data)
end

---@param address string? where sessions are kept; default: any
function Stream:connect_tls(context, server_name, address)
  local where = streams.address(address or "127.0.0.1:1")
  local server = ffi.new("struct net_stream_server", server_name, where)
  C.net_stream_connect_tls(self.c, context, server, on_handshaken, self.data)
end

function streams.address(text)
  local address = ffi.new "struct net_address"
  assert(C.net_address_parse(ffi.new("struct net_slice", text, #text), address), text)
  return address
end

---@class SpecConnector
local Connector = {}
Connector.__index = Connector

function Connector:on_connected(fault, stream, detail)
  self.fault, self.detail, self.c = fault, detail, nil
  self.stream = stream ~= nil and wrap(self.loop, stream) or nil
end

function Connector:cancel()
  C.net_connector_cancel(ffi.new("void *[1]", self.c))
  self.c = nil
end

--- Starts connecting; `fault`, `detail` and `stream` are there when it is done.
---@param options { tls: ffi.cdata*?, server_name: string?, timeout: number? }?
function streams.connect(loop, address, options)
  options = options or {}
  local connector = setmetatable({ loop = loop }, Connector)
  local c_options = ffi.new("struct net_connector_options", {
    address = streams.address(address), tls = options.tls, server_name = options.server_name,
    timeout = options.timeout or 10,
  })
  local c = C.net_connector_start(loop.c, c_options, on_connected, (remember(connector)))
  if c ~= nil then connector.c = c end
  return connector
end

registry.moongate_spec_streams = streams
return streams
