--- upstream: clusters and calls of the C library, driven from a spec without a gateway.
--
-- Behind it are spec/runtime/upstream/upstream_driver.c and fake_protocol.c, which say what the
-- functions below do.

local ffi = require "ffi"
local native = require "spec.support.native"
local system = require "spec.support.system"

local C = native.C

native.declare [[
struct driver;
struct shared;
struct cluster;
struct driven_call;
int fault_status(int fault);
bool fault_is_retryable(int fault);
const char *fault_type(int fault);

struct driver *driver_create(void);
void driver_destroy(struct driver *driver);
void driver_set(struct driver *driver, const char *name, double value);
void driver_speak_http1(struct driver *driver);
void driver_ask(struct driver *driver, const char *servers);
void driver_encrypt(struct driver *driver, void *tls, const char *name);
void driver_target(struct driver *driver, const char *host, int port, unsigned weight);
void driver_forget_targets(struct driver *driver);
struct cluster *driver_acquire(struct driver *driver, const char *name);
struct cluster *driver_prepare(struct driver *driver, const char *name, bool *is_outdated);
void driver_configure(struct driver *driver, struct cluster *cluster);
bool driver_discover(struct driver *driver, struct cluster *cluster);
void driver_release(struct cluster *cluster);
struct cluster *driver_find(struct driver *driver, const char *name);
bool driver_run(struct driver *driver, double seconds);
const char *driver_status(struct driver *driver, struct cluster *cluster);
unsigned driver_under_way(struct cluster *cluster, int target);
int driver_listen(int *port);
void driver_close(int fd);
int driver_crowd(const char *host, int port);
int driver_pick(struct cluster *cluster, double now, int tried);
int driver_pick_by(struct cluster *cluster, double now, uint64_t key, uint64_t sticky);
bool driver_is_trial(struct cluster *cluster);
void driver_seed(struct driver *driver, uint64_t seed);
void driver_share(struct driver *driver, const struct shared *shared, unsigned worker);
void driver_begin(struct cluster *cluster, int target);
void driver_fail(struct cluster *cluster, int target, int fault, bool is_trial, double now);
int driver_answer(struct cluster *cluster, int target, int status, double seconds, double now);
void driver_end(struct cluster *cluster, int target);
void driver_probe(struct cluster *cluster, int target, bool is_well, double now);
void driver_overlay(struct cluster *cluster, int target, int mode, int weight);
bool driver_panics(struct cluster *cluster);
uint64_t driver_sticky(struct cluster *cluster, int target);
double driver_part(struct cluster *cluster, int target);
void driver_believe_probes(struct driver *driver, bool believes);
void driver_place(struct driver *driver, int priority, bool is_backup, bool is_remote);
int driver_decide(int fault, const char *facts);
struct driven_call *driver_call(struct driver *driver, struct cluster *cluster);
void driven_expect(struct driven_call *call);
void driven_request(struct driven_call *call, const char *method, const char *target);
bool driven_data(struct driven_call *call, const char *text);
bool driven_bytes(struct driven_call *call, size_t count);
void driven_end(struct driven_call *call);
void driven_pause(struct driven_call *call);
void driven_resume(struct driven_call *call);
void driven_release_when_told(struct driven_call *call);
void driven_follow(struct driven_call *call, struct driven_call *successor);
bool driven_is_released(struct driven_call *call);
const char *driven_text(struct driven_call *call);
const char *driven_record(struct driven_call *call);
size_t driven_arena_bytes(struct driven_call *call);
void driven_free(struct driven_call *call);

void fake_reset(unsigned capacity, bool writes_heads);
void fake_block(bool is_blocked);
unsigned fake_sessions_opened(void);
unsigned fake_sessions_alive(void);
unsigned fake_streams_opened(void);
unsigned fake_session_of(unsigned number);
const char *fake_sent(unsigned number);
void fake_tell_sent(unsigned number);
void fake_tell_writable(unsigned number);
void fake_informational(unsigned number, int status);
void fake_respond(unsigned number, int status);
void fake_data(unsigned number, const char *text);
void fake_end(unsigned number);
void fake_fail(unsigned number, int fault);
void fake_hang_up(unsigned session);
]]

local upstream = { C = C }

--- A fault's number by the name it has in problems and logs.
---@param name string "upstream-refused"
---@return integer
function upstream.fault(name)
  for fault = 1, 100 do
    if ffi.string(C.fault_type(fault)) == name then return fault end
  end
end

---@class Driver
---@field driver ffi.cdata*
---@field late number  seconds for which this process was held up, at most at a time
local Driver = {}
Driver.__index = Driver

local open = {} -- drivers that are not closed

--- A loop with clusters on it; `close` it in the end.
---@param options { capacity: integer?, writes_heads: boolean?, http1: boolean? }? of the fake
--- protocol's sessions; http1: the real protocol instead
---@return Driver
function upstream.driver(options)
  options = options or {}
  C.fake_reset(options.capacity or 1, options.writes_heads or false)
  local self = setmetatable({ driver = C.driver_create(), open = {}, clusters = {}, calls = {},
    late = 0, last = system.now() }, Driver)
  open[self] = true
  if options.http1 then C.driver_speak_http1(self.driver) end
  return self
end

--- A port of 127.0.0.1 on which connections are taken, and never read.
---@return integer port
---@return integer fd
function Driver:listen()
  local port = ffi.new "int[1]"
  local fd = C.driver_listen(port)
  self.open[fd] = true
  return port[0], fd
end

--- Fills the queue of a listening socket, so that further connections have to wait.
function Driver:crowd(host, port)
  for _ = 1, 8 do self.open[C.driver_crowd(host, port)] = true end
  self:run(0.02)
end

--- Makes a listening port refuse from now on.
---@param fd integer
function Driver:stop_listening(fd)
  self.open[fd] = nil
  C.driver_close(fd)
end

--- A port that refuses connections.
---@return integer port
function Driver:refusing_port()
  local port, fd = self:listen()
  self:stop_listening(fd)
  return port
end

--- What the next cluster is like, see cluster().
function Driver:describe(targets, options)
  C.driver_forget_targets(self.driver)
  for _, target in ipairs(targets) do
    if type(target) == "number" then target = { target } end
    C.driver_target(self.driver, target.host or "127.0.0.1", target[1], target.weight or 1)
    C.driver_place(self.driver, target.priority or 0, target.backup or false,
      target.remote or false)
  end
  for key, value in pairs(options or {}) do C.driver_set(self.driver, key, value) end
end

--- Prepares the cluster of that name to be like this.
---@return ffi.cdata* cluster
---@return boolean is_outdated
function Driver:prepare(targets, options, name)
  self:describe(targets, options)
  local is_outdated = ffi.new "bool[1]"
  local cluster = C.driver_prepare(self.driver, name or "users", is_outdated)
  self.clusters[#self.clusters + 1] = cluster
  return cluster, is_outdated[0]
end

--- Acquires a cluster of these targets and options; of that name there is one, as ever.
---@param targets table[] `{ port, weight, host }`, or a port
---@param options table<string, number>? see driver_set in upstream_driver.c
---@param name string?
---@return ffi.cdata* cluster
function Driver:cluster(targets, options, name)
  self:describe(targets, options)
  local cluster = C.driver_acquire(self.driver, name or "users")
  self.clusters[#self.clusters + 1] = cluster
  return cluster
end

function Driver:run(seconds)
  seconds = seconds or 0.01
  local began = system.now()
  C.driver_run(self.driver, seconds)
  local ended = system.now()
  self.late = math.max(self.late, began - self.last, ended - began - seconds)
  self.last = ended
  if self.dns then self.dns:serve() end
end

-- A wait is a hundredth of a second longer than it was to be: others have the processors.
local LATE_SECONDS, TRIES = 0.01, 10

--- A body for it() that measures time: where it fails, and its process was held up meanwhile, that
-- says nothing, and it begins anew.
---@param body fun()
---@return fun()
function upstream.in_time(body)
  return function()
    for _ = 2, TRIES do
      local fine, why = pcall(body)
      if fine then return end
      local late = 0
      for driver in pairs(open) do
        late = math.max(late, driver.late, system.now() - driver.last)
      end
      if late < LATE_SECONDS then error(why, 0) end
      for driver in pairs(open) do driver:close() end
    end
    body()
  end
end

--- Asks this name server from now on, and lets it answer; before there are clusters.
---@param dns DnsServer
function Driver:ask(dns)
  self.dns = dns
  C.driver_ask(self.driver, dns.address)
end

--- Clusters acquired from now on have encrypted targets.
---@param context ffi.cdata* of spec.support.tls
---@param name string? what the certificate must be for, instead of the host
function Driver:encrypt(context, name)
  self.server_name = name or ""
  C.driver_encrypt(self.driver, context, self.server_name)
end

--- Turns the loop until `condition` holds.
---@param condition fun(): any
function Driver:run_until(condition)
  local deadline = system.now() + 20
  while not condition() do
    if system.now() > deadline then error("it never came true", 2) end
    self:run(0.002)
  end
end

---@return string status one line for each target
function Driver:status(cluster)
  return ffi.string(C.driver_status(self.driver, cluster))
end

---@class DrivenCall
---@field is_finished boolean its request is complete
local Call = {}
Call.__index = Call

--- A call whose request has not been sent.
---@return DrivenCall
function Driver:silent_call(cluster)
  local call = setmetatable({ call = C.driver_call(self.driver, cluster), driver = self }, Call)
  self.calls[#self.calls + 1] = call
  return call
end

--- Starts a call and sends its request, complete unless `method` may have a body.
---@param cluster ffi.cdata*
---@param method string? default GET
---@param target string? default "/"
---@return DrivenCall
function Driver:call(cluster, method, target)
  local call = self:silent_call(cluster)
  C.driven_request(call.call, method or "GET", target or "/")
  call.is_finished = (method or "GET") == "GET"
  if call.is_finished then C.driven_end(call.call) end
  return call
end

--- The same, and turns the loop until it is on a stream.
---@return DrivenCall call
---@return integer stream number of the fake's stream
function Driver:called(cluster, method, target)
  local before = C.fake_streams_opened()
  local call = self:call(cluster, method, target)
  self:run_until(function() return C.fake_streams_opened() > before end)
  return call, C.fake_streams_opened()
end

--- What its user was told, in order.
---@return string
function Call:text()
  return self.last_text or ffi.string(C.driven_text(self.call))
end

---@return string
function Call:record()
  return self.last_record or ffi.string(C.driven_record(self.call))
end

---@param seconds number? how long to turn the loop at most; default 20
function Call:wait_for(pattern, seconds)
  local deadline = system.now() + (seconds or 20)
  while not self:text():find(pattern) do
    if system.now() > deadline then error(("no %s in %s"):format(pattern, self:text()), 2) end
    self.driver:run(0.002)
  end
end

function Call:is_released() return C.driven_is_released(self.call) end
function Call:data(text) return C.driven_data(self.call, text) end
function Call:bytes(count) return C.driven_bytes(self.call, count) end
function Call:finish()
  self.is_finished = true
  C.driven_end(self.call)
end

function Call:pause() C.driven_pause(self.call) end
function Call:resume() C.driven_resume(self.call) end
--- Sends the head of a PUT that asks for 100-continue.
function Call:send_expectation()
  C.driven_expect(self.call)
  C.driven_request(self.call, "PUT", "/")
end

function Call:follow_with(successor) C.driven_follow(self.call, successor.call) end
function Call:release_when_told() C.driven_release_when_told(self.call) end

--- Gives it back; what it was told can still be asked for.
function Call:free()
  if self.last_text then return end
  self.last_text, self.last_record = self:text(), self:record()
  C.driven_free(self.call)
end

--- A whole answer on stream `number`; then the call is given back.
---@param call DrivenCall
---@param number integer
function upstream.answer(call, number)
  C.fake_tell_sent(number)
  C.fake_respond(number, 200)
  C.fake_end(number)
  call:free()
  call.driver:run(0.001)
end

--- Ends it, and all that was begun on it.
function Driver:close()
  if not open[self] then return end
  open[self] = nil
  for _, call in ipairs(self.calls) do call:free() end
  for _, cluster in ipairs(self.clusters) do C.driver_release(cluster) end
  C.driver_destroy(self.driver)
  for fd in pairs(self.open) do C.driver_close(fd) end
end

return upstream
