--- route_matcher: what a match, a route and building cost, for 1, 1,000 and 100,000 routes.
--
--     luajit spec/bench/route_matcher.lua
--
-- Requests take routes in random order, so that at 100,000 caches hold a small part of them.

package.path = "./?.lua;./lua/?.lua;" .. package.path

local ffi = require "ffi"
local jit = require "jit"
local matcher = require "spec.support.matcher"
local runtime = require "spec.support.runtime"

local C = runtime.C

jit.on()

local DRAWN = 1000000
local TEXT_BYTES = 32

local function seconds_of(body)
  local from = os.clock()
  body()
  return os.clock() - from
end

local SHAPES = {
  { pattern = "/service-%d/users/{id}", path = "/service-%d/users/42" },
  { pattern = "/api/v1/thing-%d", path = "/api/v1/thing-%d" },
  { pattern = "/t%d/{a}/b/{c}/d/{rest*}", path = "/t%d/x/b/y/d/e/f" },
  { pattern = "/v1/{rest*}", path = "/v1/a", host = "host-%d.example.com" },
}

local function build(shape, count)
  local made = matcher.new()
  local pattern, conflict = ffi.new "struct route_pattern", ffi.new "uint32_t[1]"
  local methods, hosts = ffi.new "struct slice[1]", ffi.new "struct slice[1]"
  methods[0] = runtime.slice "GET"
  pattern.methods, pattern.method_count = methods, 1
  local seconds = seconds_of(function()
    for i = 1, count do
      local path = shape.pattern:format(i)
      pattern.route = i
      pattern.path.start, pattern.path.length = path, #path
      if shape.host then
        local host = shape.host:format(i)
        hosts[0].start, hosts[0].length = host, #host
        pattern.hosts, pattern.host_count = hosts, 1
      end
      assert(C.route_matcher_add(made.handle, pattern, conflict))
    end
    C.route_matcher_seal(made.handle)
  end)
  return made, seconds
end

-- Texts one after another, as requests come in: each is read into the same buffer, so
-- that what is cold is the matcher and not the request.
local function random_texts(format, count)
  local texts, lengths = ffi.new("char[?]", DRAWN * TEXT_BYTES), ffi.new("uint8_t[?]", DRAWN)
  math.randomseed(7)
  for i = 0, DRAWN - 1 do
    local text = format:format(math.random(count))
    ffi.copy(texts + i * TEXT_BYTES, text, #text)
    lengths[i] = #text
  end
  return texts, lengths
end

local function match_nanoseconds(made, shape, count)
  local paths, path_lengths = random_texts(shape.path, count)
  local hosts, host_lengths = random_texts(shape.host or "any.example.com", count)
  local one = made:subject { path = "/" }
  local request, subject, match = one.head, one.subject, ffi.new "struct route_match"
  local path, host = ffi.new("char[?]", TEXT_BYTES), ffi.new("char[?]", TEXT_BYTES)
  local handle, missed = made.handle, 0
  request.path.start, request.host.start = path, host
  local seconds = seconds_of(function()
    for i = 0, DRAWN - 1 do
      ffi.copy(path, paths + i * TEXT_BYTES, TEXT_BYTES)
      ffi.copy(host, hosts + i * TEXT_BYTES, TEXT_BYTES)
      request.path.length, request.host.length = path_lengths[i], host_lengths[i]
      if C.route_matcher_match(handle, subject, match) ~= 0 then missed = missed + 1 end
    end
  end)
  assert(missed == 0)
  return seconds / DRAWN * 1e9
end

print(("%-26s %8s %10s %10s %10s"):format("routes", "count", "ns/match", "bytes each", "build s"))
for _, shape in ipairs(SHAPES) do
  for _, count in ipairs { 1, 1000, 100000 } do
    local made, seconds = build(shape, count)
    local bytes = tonumber(C.route_matcher_bytes(made.handle)) / count
    local nanoseconds = match_nanoseconds(made, shape, count)
    print(("%-26s %8d %10.0f %10.0f %10.3f")
      :format(shape.host or shape.pattern, count, nanoseconds, bytes, seconds))
    made:close()
  end
end
