--- configurations: of the programs that a benchmark compares, as formats.

local configurations = {}

-- What the origin answers.
configurations.small = ("x"):rep(1024)

-- One process without a master: it ends with us, however we end.
configurations.nginx_config = [[
%s
master_process off;
daemon off;
pid %s.pid;
error_log %s.error;
worker_rlimit_nofile 65536;
events { worker_connections 16384; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_max_body_size 0;
  client_body_temp_path %s.b; proxy_temp_path %s.p; fastcgi_temp_path %s.f;
  uwsgi_temp_path %s.u; scgi_temp_path %s.s;
  %s
}
]]

configurations.origin = [[
  server {
    listen 127.0.0.1:%d backlog=4096;
    location /upload {
      content_by_lua_block {
        local body = ngx.req.socket()
        repeat local bytes = body:receive(65536) until not bytes
        ngx.print "ok"
      }
    }
    location /100k { root %s; }
    location /10m { root %s; }
    location /json { default_type application/json; return 200 '{"name":"%s"}'; }
    location / { return 200 "%s"; }
  }]]

-- `%s` of the location: what comes before the request is passed on.
configurations.proxy = [[
  upstream origin { server 127.0.0.1:%d; keepalive 256; keepalive_requests 100000000; }
  %s
  server {
    listen 127.0.0.1:%d %s backlog=4096;
    %s
    location / {
      %s
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
    }
  }]]

-- The versions that this gateway speaks.
configurations.nginx_tls =
  "ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.2 TLSv1.3;"

configurations.unbuffered = "proxy_buffering off; proxy_request_buffering off;"

-- A cache on the disk, as nginx has it: in its page cache here. `%s`: its folder.
configurations.cache_http = "proxy_cache_path %s keys_zone=cache:10m;"
configurations.cache_location = "proxy_cache cache; proxy_cache_valid 200 1h;"
configurations.cache_tuned = configurations.cache_location
  .. " sendfile on; open_file_cache max=1000;"
configurations.cached_route = [[
route "/{rest*}" { upstream = "origin", plugins = { { "cache", ttl = "1h" } } }
]]

configurations.lua_modules = [[
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;]]
configurations.lua_path = [[
  lua_package_path "/usr/share/lua/5.1/?.lua;;";]]

-- What the four plugins do, by hand.
configurations.lua_http = [[
  lua_shared_dict keys 10m; lua_shared_dict limits 10m; lua_shared_dict counts 10m;
  init_by_lua_block { ngx.shared.keys:set("secret", "bench") }]]
configurations.lua_location = [[
  access_by_lua_block {
    local consumer = ngx.shared.keys:get(ngx.var.http_x_api_key or "")
    if not consumer then return ngx.exit(401) end
    local window = math.floor(ngx.now())
    if ngx.shared.limits:incr(consumer .. ":" .. window, 1, 0, 2) > 1000000000 then
      return ngx.exit(429)
    end
    ngx.req.clear_header("x-api-key")
    ngx.req.set_header("x-team", "core")
  }
  header_filter_by_lua_block { ngx.header["x-powered-by"] = nil }
  log_by_lua_block {
    ngx.shared.counts:incr("requests:" .. ngx.status, 1, 0)
    ngx.shared.counts:incr("seconds", ngx.now() - ngx.req.start_time(), 0)
  }]]

configurations.haproxy = [[
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:%d
  default_backend origin
backend origin
  server origin 127.0.0.1:%d
]]

-- Passes on over TLS with a client's certificate; connections stay from one load to the next, so
-- that no handshake is counted. `%s`: a file with the certificate and its key.
configurations.tunnel = [[
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 60s
  http-reuse always
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:%d
  default_backend gateway
backend gateway
  server gateway 127.0.0.1:%d ssl verify none crt %s pool-purge-delay 1h
]]

configurations.gateway_head = [[
workers(1)
watch(false)
listen "127.0.0.1:%d"
log { level = "error" }
limits { body = "1g", connections = 20000 }
upstream "origin" { "http://127.0.0.1:%d", idle_connections = 256 }
]]

local FOUR = [[
    { "key-auth" },
    { "rate-limit", limit = 1000000000, window = "1s", by = "consumer" },
    { "transform", set_headers = { ["x-team"] = "core" },
                   response = { remove_headers = { "x-powered-by" } } },
    { "metrics" },
]]

-- Each path is a subject's.
configurations.gateway_routes = [[
consumer "bench" { keys = { "secret" } }
route "/{rest*}" { upstream = "origin" }
route "GET /four" { upstream = "origin", rewrite = "/small", plugins = { ]] .. FOUR .. [[ } }
route "GET /eight" { upstream = "origin", rewrite = "/small", plugins = {
    { "request-id" }, { "ip-filter", allow = { "127.0.0.0/8" } }, { "cors", origins = { "*" } },
    ]] .. FOUR .. [[ { "access-log", path = "/dev/null" },
} }
route "GET /hmac" { upstream = "origin", rewrite = "/small", plugins = { { "hmac" } } }
route "GET /aggregate" { plugins = { { "aggregate", parts = {
  one = { "http://origin/json" }, two = { "http://origin/json" }, three = { "http://origin/json" },
} } } }
]]

-- As much as a signed token takes: 300 bytes, a digest, a comparison.
configurations.hmac_plugin = [[
local moongate = require "moongate"
local crypto = moongate.crypto
local TEXT = ("header.payload."):rep(20)
local TAG = crypto.hmac_sha256("secret", TEXT)
return {
  summary = "Checks a code of 32 bytes.",
  options = {},
  request = function(self, req)
    local key = req.headers["x-api-key"] or ""
    if not crypto.equals(crypto.hmac_sha256(key, TEXT), TAG) then
      return moongate.reply.problem(401, "wrong", "Wrong.")
    end
  end,
}
]]

configurations.many_routes = [[
for i = 0, %d do route("GET /r" .. i) { upstream = "origin", rewrite = "/small" } end
]]

-- Two plugins each, the second of options of its own.
configurations.many_chains = [[
consumer "bench" { keys = { "secret" } }
for i = 0, %d do
  route("GET /r" .. i) { upstream = "origin", rewrite = "/small", plugins = {
    { "key-auth" },
    { "rate-limit", limit = 1000000000 - i, window = "1s", by = "consumer" },
  } }
end
]]

configurations.many_keys = [[
for i = 0, %d do consumer("c" .. i) { keys = { "key-" .. i } } end
route "/{rest*}" { upstream = "origin", plugins = { { "key-auth" } } }
]]

configurations.one_route = [[
route "/{rest*}" { upstream = "origin" }
]]

return configurations
