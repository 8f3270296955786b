--- system: the calls of the operating system that specs need, through the FFI.
--
-- Every C name is redirected (`spec_fork` is `fork`), so that nothing here can
-- clash with what a spec declares for itself.

local bit = require "bit"
local ffi = require "ffi"

local registry = debug.getregistry()
if not registry.moongate_spec_system then
  registry.moongate_spec_system = true
  ffi.cdef [[
    struct spec_timespec { long seconds, nanoseconds; };
    struct spec_pollfd { int fd; short events, revents; };
    struct spec_ipv4 { uint16_t family, port; uint8_t address[4]; char zero[8]; };
    struct spec_ipv6 { uint16_t family, port; uint32_t flow; uint8_t address[16]; uint32_t scope; };
    struct spec_unix { uint16_t family; char path[108]; };
    struct spec_linger { int on, seconds; };
    extern char **spec_environ __asm__("environ");
    int spec_fork(void) __asm__("fork");
    void spec_exit(int) __asm__("_exit");
    int spec_execvpe(const char *, char *const *, char *const *) __asm__("execvpe");
    int spec_waitpid(int, int *, int) __asm__("waitpid");
    int spec_kill(int, int) __asm__("kill");
    intptr_t spec_signal(int, intptr_t) __asm__("signal");
    int spec_getpid(void) __asm__("getpid");
    int spec_getppid(void) __asm__("getppid");
    int spec_prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)
      __asm__("prctl");
    int spec_open(const char *, int, int) __asm__("open");
    int spec_dup2(int, int) __asm__("dup2");
    int spec_close(int) __asm__("close");
    int spec_close_range(unsigned, unsigned, int) __asm__("close_range");
    int spec_chdir(const char *) __asm__("chdir");
    int spec_unsetenv(const char *) __asm__("unsetenv");
    char *spec_realpath(const char *, char *) __asm__("realpath");
    void spec_free(void *) __asm__("free");
    char *spec_mkdtemp(char *) __asm__("mkdtemp");
    int spec_mkdir(const char *, unsigned) __asm__("mkdir");
    char *spec_strerror(int) __asm__("strerror");
    int spec_clock_gettime(int, struct spec_timespec *) __asm__("clock_gettime");
    int spec_poll(struct spec_pollfd *, unsigned long, int) __asm__("poll");
    int spec_socket(int, int, int) __asm__("socket");
    int spec_bind(int, const void *, uint32_t) __asm__("bind");
    int spec_listen(int, int) __asm__("listen");
    int spec_accept4(int, void *, uint32_t *, int) __asm__("accept4");
    int spec_connect(int, const void *, uint32_t) __asm__("connect");
    int spec_getsockname(int, void *, uint32_t *) __asm__("getsockname");
    int spec_getsockopt(int, int, int, void *, uint32_t *) __asm__("getsockopt");
    int spec_setsockopt(int, int, int, const void *, uint32_t) __asm__("setsockopt");
    int spec_shutdown(int, int) __asm__("shutdown");
    intptr_t spec_recv(int, void *, size_t, int) __asm__("recv");
    intptr_t spec_send(int, const void *, size_t, int) __asm__("send");
    intptr_t spec_write(int, const void *, size_t) __asm__("write");
  ]]
end

local C = ffi.C

C.spec_unsetenv "LD_PRELOAD" -- a sanitizer for this process is not one for its children
C.spec_signal(13, 1) -- SIGPIPE: who writes to somebody gone gets an error instead

local system = {
  C = C,
  EINTR = 4, EAGAIN = 11, ECONNRESET = 104, EINPROGRESS = 115,
  POLLIN = 1, POLLOUT = 4,
  SIGHUP = 1, SIGINT = 2, SIGKILL = 9, SIGUSR1 = 10, SIGTERM = 15, SIGSTOP = 19, SIGCONT = 18,
}

local time = ffi.new "struct spec_timespec"

--- Seconds on a clock that never jumps.
---@return number seconds
function system.now()
  C.spec_clock_gettime(1, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

--- Processor time that all threads of a process have taken, to the nanosecond.
---@param pid integer
---@return number seconds
function system.cpu_seconds(pid)
  local clock = bit.bor(bit.lshift(bit.bnot(pid), 3), 2) -- as clock_getcpuclockid() has it
  if C.spec_clock_gettime(clock, time) ~= 0 then error("no process " .. pid, 2) end
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

---@param seconds number
function system.sleep(seconds)
  C.spec_poll(nil, 0, math.ceil(seconds * 1000))
end

--- The text of the last failed call.
---@return string
function system.last_error()
  return ffi.string(C.spec_strerror(ffi.errno()))
end

--- Makes the kernel kill the calling process when `parent` ends, however it ends.
---@param parent integer process id of the expected parent
function system.die_with(parent)
  C.spec_prctl(1, system.SIGKILL, 0, 0, 0)
  if C.spec_getppid() ~= parent then C.spec_exit(1) end
end

--- Whether an idle thread could go back to its share (runtime/base/priority.h), which the programs
--- of util-linux try; where it could not, none becomes idle.
---@return boolean
function system.goes_back()
  return os.execute("prlimit --pid $$ --nice=20: 2>/dev/null; "
    .. "chrt -i 0 sh -c 'chrt -o -p 0 $$' 2>/dev/null") == 0
end

--- Makes processes children of this one whose parents, which it has started, end before them.
function system.adopt_orphans()
  C.spec_prctl(36, 1, 0, 0, 0)
end

---@param pid integer
---@param signal integer 0 to ask only whether the process exists
---@return boolean delivered
function system.kill(pid, signal)
  return C.spec_kill(pid, signal) == 0
end

local status = ffi.new "int[1]"

--- Reaps a child that has ended, without waiting for it.
---@param pid integer
---@return integer|nil code exit code, or minus the signal that killed it; nil while it runs
function system.reap(pid)
  if C.spec_waitpid(pid, status, 1) ~= pid then return nil end
  local signal = bit.band(status[0], 0x7f)
  if signal ~= 0 then return -signal end
  return bit.band(bit.rshift(status[0], 8), 0xff)
end

--- A new private directory for one spec.
---@return string path
function system.temporary_directory()
  local root = os.getenv "MOONGATE_SPEC_TEMPORARY" or "/tmp"
  local template = root .. "/moongate-spec-XXXXXX"
  local path = ffi.new("char[?]", #template + 1, template)
  assert(C.spec_mkdtemp(path) ~= nil, system.last_error())
  return ffi.string(path)
end

--- The path from the root, of something that exists.
---@param path string
---@return string
function system.absolute(path)
  local real = C.spec_realpath(path, nil)
  assert(real ~= nil, path .. ": " .. system.last_error())
  local absolute = ffi.string(real)
  C.spec_free(real)
  return absolute
end

---@param path string
---@return string|nil content nil when it cannot be read
function system.read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local content = file:read "*a"
  file:close()
  return content
end

--- Writes a file, making the folders on its way.
---@param path string
---@param content string
function system.write_file(path, content)
  for slash in path:gmatch "()/" do
    if slash > 1 then C.spec_mkdir(path:sub(1, slash - 1), tonumber("700", 8)) end
  end
  local file = assert(io.open(path, "wb"))
  file:write(content)
  file:close()
end

return system
