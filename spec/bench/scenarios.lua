--- scenarios: which subjects a benchmark compares under which load.

---@class Subject
---@field name string shown
---@field program string of spec.bench.programs
---@field path string that is asked for
---@field routes integer?  that it has

---@class Comparison
---@field what string   shown
---@field figure string of what load.measure and load.measure_paced tell
---@field over string   name of the subject that others are compared with

---@class Scenario
---@field name string
---@field what string shown
---@field subjects Subject[]
---@field ratios Comparison[]?  none where "idle"
---@field connections integer?  default 64
---@field closes boolean?       a connection for each request
---@field is_large boolean?      a request takes a second under strace
---@field rounds_max integer?  fewer than others
---@field script string?        of wrk; `%s` is the path
---@field measure "load"|"paced"|"idle"|nil default "load"

local UPLOAD = [[
wrk.method = "POST"
wrk.body = ("x"):rep(10485760)
]]

-- Uniformly random, so that no part of a table stays warm.
local RANDOM_ROUTES = [[
local count = %d
math.randomseed(7)
request = function() return wrk.format("GET", "/r" .. math.random(0, count - 1)) end
]]
local RANDOM_KEYS = [[
local count, headers = %d, {}
math.randomseed(7)
request = function()
  headers["x-api-key"] = "key-" .. math.random(0, count - 1)
  return wrk.format("GET", "/small", headers)
end
]]

local function cpu_over(name) return { what = "CPU", figure = "cpu_us", over = name } end
local function p99_over(name) return { what = "p99", figure = "p99_ms", over = name } end
local function rate_over(name) return { what = "requests/s", figure = "rps", over = name } end

local function subject(name, program, path, script)
  return { name = name, program = program, path = path or "/small", script = script }
end

local function with_routes(count, one)
  one.routes = count
  return one
end

local NGINX, PLAIN = subject("nginx", "nginx"), subject("plain", "gateway")
local FOUR = subject("four", "gateway", "/four")
local OVER_NGINX = { cpu_over "nginx" }

-- The same path of each. Bodies go past nginx's memory, where it buffers them.
local function large(path)
  return { subject("nginx", "nginx", path), subject("nginx-unbuffered", "nginx-unbuffered", path),
    subject("plain", "gateway", path) }
end
local OVER_NGINX_LARGE = { cpu_over "nginx-unbuffered", cpu_over "nginx" }

-- Answers that are in the cache.
local function cached(path)
  return { subject("nginx", "nginx-cached", path), subject("tuned", "nginx-cached-tuned", path),
    subject("cached", "gateway-cached", path) }
end

---@type Scenario[]
local scenarios = {
  {
    name = "proxy", what = "1 KB answers, 64 connections",
    ratios = { cpu_over "nginx", cpu_over "relay" },
    subjects = {
      subject("relay", "relay"), NGINX, subject("nginx-unbuffered", "nginx-unbuffered"),
      subject("nginx-lua", "nginx-lua"), subject("haproxy", "haproxy"), PLAIN, FOUR,
      subject("eight", "gateway", "/eight"), subject("hmac", "gateway", "/hmac"),
      subject("aggregate", "gateway", "/aggregate"),
    },
  },
  {
    name = "aggregate", what = "three parts of 1 KB, 64 connections",
    ratios = { cpu_over "plain" },
    subjects = { PLAIN, subject("aggregate", "gateway", "/aggregate") },
  },
  {
    name = "latency", what = "1 KB answers at 60 % of nginx's rate, 64 connections",
    ratios = { p99_over "nginx", p99_over "relay", cpu_over "nginx" }, measure = "paced",
    subjects = { subject("relay", "relay"), NGINX, PLAIN, FOUR },
  },
  {
    name = "one", what = "1 KB answers, 1 connection", ratios = OVER_NGINX, connections = 1,
    subjects = { NGINX, PLAIN, FOUR },
  },
  {
    name = "thousand", what = "1 KB answers, 1,000 connections", ratios = OVER_NGINX,
    connections = 1000, subjects = { NGINX, PLAIN, FOUR },
  },
  {
    name = "connect", what = "a connection for each request", closes = true,
    ratios = { cpu_over "nginx", cpu_over "relay" },
    subjects = { subject("relay", "relay-closes"), NGINX, PLAIN },
  },
  {
    name = "tls", what = "TLS, 64 connections", ratios = OVER_NGINX,
    subjects = { subject("nginx", "nginx-tls"), subject("plain", "gateway-tls") },
  },
  {
    name = "handshakes", what = "a TLS connection for each request, 16 at a time",
    closes = true, connections = 16, ratios = { cpu_over "nginx", rate_over "nginx" },
    subjects = { subject("nginx", "nginx-tls"), subject("plain", "gateway-tls") },
  },
  {
    name = "routes", what = "1, 1,000 and 100,000 routes, at random",
    ratios = { cpu_over "1", cpu_over "nginx" },
    subjects = {
      subject("1", "routes-1", "/r0", RANDOM_ROUTES:format(1)),
      subject("1,000", "routes-1000", "/r0", RANDOM_ROUTES:format(1000)),
      with_routes(100000, subject("100,000", "routes-100000", "/r0", RANDOM_ROUTES:format(100000))),
      with_routes(100000, subject("of two plugins", "routes-two-plugins", "/r0",
        RANDOM_ROUTES:format(100000))),
      NGINX,
    },
  },
  {
    name = "keys", what = "the keys of 1 and 100,000 consumers, at random",
    ratios = { cpu_over "1", cpu_over "nginx" },
    subjects = {
      subject("1", "keys-1", "/small", RANDOM_KEYS:format(1)),
      subject("100,000", "keys-100000", "/small", RANDOM_KEYS:format(100000)),
      NGINX,
    },
  },
  {
    name = "100k", what = "100 KB answers, 64 connections",
    ratios = OVER_NGINX_LARGE, rounds_max = 3, subjects = large "/100k",
  },
  {
    name = "10m", what = "10 MB answers, 8 connections", connections = 8,
    ratios = OVER_NGINX_LARGE, rounds_max = 3, is_large = true, subjects = large "/10m",
  },
  {
    name = "upload", what = "uploads of 10 MB, 8 connections", connections = 8,
    ratios = OVER_NGINX_LARGE, rounds_max = 3, is_large = true, script = UPLOAD,
    subjects = large "/upload",
  },
  {
    name = "cached", what = "cached answers of 1 KB, 64 connections",
    ratios = OVER_NGINX, rounds_max = 3, subjects = cached "/small",
  },
  {
    name = "cached-100k", what = "cached answers of 100 KB",
    ratios = OVER_NGINX, rounds_max = 3, subjects = cached "/100k",
  },
  {
    name = "idle", what = "memory of idle connections", measure = "idle",
    subjects = { subject("plain", "gateway-idle"), subject("TLS", "gateway-idle-tls") },
  },
}

--- The one of that name.
---@param list { name: string }[]  scenarios, subjects, rows
---@param name string
---@return table?
function scenarios.named(list, name)
  for _, one in ipairs(list) do
    if one.name == name then return one end
  end
  return nil
end

return scenarios
