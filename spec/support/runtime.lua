--- runtime: the C core as a library, for specs that call C through the FFI.
--
--     local runtime = require "spec.support.runtime"
--     local C = runtime.include("base/slice.h", "http/uri.h")
--     assert.is_true(C.slice_equals(runtime.slice "a", runtime.slice "a"))
--
-- A spec declares nothing itself: the headers are read as the compiler sees them,
-- so the two cannot drift. `static inline` functions can be called too.

local ffi = require "ffi"
local jit = require "jit"
local system = require "spec.support.system"

-- C may call back into a spec only from code that is not compiled.
jit.off()

local runtime = {}

--- The library under test.
---@return string path
function runtime.library()
  return os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so"
end

runtime.C = ffi.load(runtime.library())

-- Survives busted's insulation of files from each other, as declarations do.
local registry = debug.getregistry()
registry.moongate_spec_headers = registry.moongate_spec_headers or {}
local declared = registry.moongate_spec_headers

-- Types of the system that our headers mention; only what has to be known of them.
local PREAMBLE = [[
  typedef int pid_t; typedef unsigned uid_t, gid_t, mode_t, socklen_t; typedef long ssize_t, time_t;
  typedef long off_t; typedef int64_t loff_t; typedef unsigned short sa_family_t;
  typedef uint16_t in_port_t; typedef uint32_t in_addr_t;
  typedef struct lua_State lua_State; typedef struct ssl_st SSL; typedef struct ssl_ctx_st SSL_CTX;
  typedef struct ssl_session_st SSL_SESSION; typedef struct x509_st X509;
  typedef struct x509_store_st X509_STORE; typedef struct x509_lookup_st X509_LOOKUP;
  typedef struct evp_pkey_st EVP_PKEY; typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;
  typedef struct evp_mac_ctx_st EVP_MAC_CTX; typedef struct evp_md_ctx_st EVP_MD_CTX;
  typedef struct bio_st BIO; typedef struct ares_channeldata *ares_channel;
  typedef size_t atomic_size_t; typedef int atomic_int; typedef unsigned atomic_uint;
  typedef bool atomic_bool; typedef uint64_t atomic_uint_fast64_t;
  typedef unsigned long atomic_ulong;
  typedef unsigned long pthread_t; typedef union { long opaque[5]; } pthread_mutex_t;
  typedef union { long opaque[6]; } pthread_cond_t;
  typedef struct _IO_FILE FILE; typedef struct { long opaque[16]; } sigset_t;
  typedef struct ssl_method_st SSL_METHOD; typedef int sig_atomic_t;
  struct timespec { long tv_sec, tv_nsec; }; struct timeval { long tv_sec, tv_usec; };
  struct stat { long opaque[18]; };
  struct iovec { void *iov_base; size_t iov_len; };
  struct in_addr { in_addr_t s_addr; };
  struct in6_addr { uint8_t s6_addr[16]; } __attribute__((aligned(4)));
  struct sockaddr { sa_family_t sa_family; char sa_data[14]; };
  struct sockaddr_in {
    sa_family_t sin_family; in_port_t sin_port; struct in_addr sin_addr; char sin_zero[8];
  };
  struct sockaddr_in6 {
    sa_family_t sin6_family; in_port_t sin6_port; uint32_t sin6_flowinfo;
    struct in6_addr sin6_addr; uint32_t sin6_scope_id;
  };
  struct sockaddr_un { sa_family_t sun_family; char sun_path[108]; };
  struct sockaddr_storage { sa_family_t ss_family; long opaque[15]; };
]]

-- Headers of libraries whose types our structs hold by value.
local LIBRARIES = { ["/usr/include/ev.h"] = true, ["/usr/include/http_parser.h"] = true }

-- The part of a header's path that names it here, or nil for the system's own.
local function known_header(path)
  return path:match "^%.?/?runtime/(.+%.h)$" or LIBRARIES[path] and path or nil
end

-- Bodies of inline functions become prototypes; the FFI knows no atomics, no assertions.
local function reduced(text)
  text = text:gsub("\nstatic inline (.-%b())%s*%b{}", "\n%1;")
  text = text:gsub("\nstatic [^;]-;", "\n")
  text = text:gsub("_Static_assert%s*%b();", "")
  text = text:gsub("_Atomic%s*(%b())", function(inner) return inner:sub(2, -2) end)
  text = text:gsub("_Atomic ", " "):gsub("_Noreturn ", " ")
  text = text:gsub("_Alignas%s*(%b())", "__attribute__((aligned%1))")
  text = text:gsub("#pragma[^\n]*", "")
  text = text:gsub("__attribute__%s*%(%(format.-%)%)%)", "")
  return text
end

-- What a header and all that it includes declare and nothing has declared before; the headers.
local function preprocessed(header)
  local command = "gcc -E -x c -D_GNU_SOURCE -Iruntime -include runtime/%s /dev/null"
  local pipe = assert(io.popen(command:format(header)))
  local lines, seen, current = {}, {}, nil
  for line in pipe:lines() do
    local path = line:match '^# %d+ "([^"]+)"'
    if path then
      current = known_header(path)
      if current then seen[current] = true end
    elseif current and not declared[current] then
      lines[#lines + 1] = line
    end
  end
  pipe:close()
  assert(seen[header], "no such header: runtime/" .. header)
  return "\n" .. table.concat(lines, "\n"), seen
end

--- Makes known what these headers (and what they include) have.
---@param ... string paths below runtime/
---@return ffi.namespace* C the library
function runtime.include(...)
  if not declared.preamble then
    declared.preamble = true
    ffi.cdef(PREAMBLE)
  end
  for _, header in ipairs { ... } do
    if not declared[header] then
      local text, seen = preprocessed(header)
      local ok, problem = pcall(ffi.cdef, reduced(text))
      if not ok then error(("cannot declare %s: %s"):format(header, problem), 2) end
      for name in pairs(seen) do declared[name] = true end
    end
  end
  return runtime.C
end

-- Bytes that C points to live as long as the object that points to them.
local anchors = setmetatable({}, { __mode = "k" })

--- A `struct slice` over a Lua string, which lives as long as the slice object does.
---@param text string|nil nil makes SLICE_NONE
---@return ffi.cdata* slice
function runtime.slice(text)
  runtime.include "base/slice.h"
  local slice = ffi.new("struct slice", text, text and #text or 0)
  anchors[slice] = text
  return slice
end

--- The bytes of a slice; nil when its start is NULL.
---@param slice ffi.cdata*
---@return string|nil
function runtime.text(slice)
  if slice.start == nil then return nil end
  return ffi.string(slice.start, slice.length)
end

--- A variable of a C type, to pass its address: `box("struct stream *", stream)`.
---@param ctype string
---@param value any
---@return ffi.cdata* array with one element
function runtime.box(ctype, value)
  local box = ffi.new(ctype .. "[1]")
  if value ~= nil then box[0] = value end
  return box
end

--- An arena ready for use; end it with `C.arena_clear(arena)`.
---@return ffi.cdata* arena
function runtime.new_arena()
  local C = runtime.include "base/arena.h"
  local arena = ffi.new "struct arena"
  C.arena_init(arena)
  return arena
end

--- An event loop; end it with `runtime.end_loop(loop)`.
---@return ffi.cdata* loop
function runtime.new_loop()
  return runtime.include("net/loop.h").loop_create()
end

---@param loop ffi.cdata*
function runtime.end_loop(loop)
  runtime.C.loop_destroy(runtime.box("struct loop *", loop))
end

--- Turns the loop until `condition` holds; raises when it does not within `seconds`.
---@param loop ffi.cdata*
---@param condition fun(): any
---@param seconds number? as wait.that()
---@return any what `condition` returned
function runtime.run_until(loop, condition, seconds)
  return require("spec.support.wait").that(function()
    runtime.C.ev_run(loop.ev, 1) -- EVRUN_NOWAIT
    return condition()
  end, seconds, "the event loop")
end

--- Turns the loop for a while: when this process is held up, for longer.
---@param loop ffi.cdata*
---@param seconds number? default: what is ready now
function runtime.run(loop, seconds)
  local turned, last = 0, system.now()
  repeat
    runtime.C.ev_run(loop.ev, 1)
    if seconds then system.sleep(0.001) end
    local now = system.now()
    turned, last = turned + math.min(now - last, 0.01), now
  until turned >= (seconds or 0)
end

--- The size of a C type.
---@param ctype string
---@return integer bytes
function runtime.size_of(ctype)
  return ffi.sizeof(ctype)
end

--- Runs `body` in a process of its own, where it may abort: for assertions of C.
---@param body fun()
---@return integer code minus the signal that ended it: -6 for a failed assert()
function runtime.end_of(body)
  local child = require("spec.support.process").fork(function()
    system.C.spec_close(2)
    body()
  end)
  return assert(child:wait(30), "still running")
end

return runtime
