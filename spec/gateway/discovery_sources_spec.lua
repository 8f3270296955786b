--- discovery: what name servers, Consul and Eureka say, as targets.

local dns_server = require "spec.support.dns_server"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local registry = require "spec.support.registry"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

describe("discovery by", function()
  local self, names, directory

  before_each(function() directory = system.temporary_directory() end)
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
    if names then names:close() end
    names = nil
    os.execute(("rm -r '%s'"):format(directory))
  end)

  local function start(discover, words)
    self = gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      zone "a"
      %s
      upstream "orders" { discover = { %s } }
      route "/{rest*}" { upstream = "orders" }
    ]]):format(words or "", discover) }
  end

  local function upstream()
    return json.decode(http.request(self.admin_port, { path = "/upstreams/orders" }).body)
  end

  -- The targets as "URL weight priority", with "other" for another zone, in their order.
  local function targets()
    local list = {}
    for i, row in ipairs(upstream().targets) do
      list[i] = ("%s %d %d%s"):format(row.url, row.weight, row.priority,
        row.other_zone and " other" or "")
    end
    return table.concat(list, ", ")
  end

  local function wait_for(wanted)
    local seen
    local ok = pcall(wait.that, function()
      seen = targets()
      return seen == wanted
    end, 20)
    if not ok then error(("waited for %q, saw %q; %s"):format(wanted, seen, self:log()), 2) end
  end

  local function wait_for_error(pattern)
    wait.that(function() return (upstream().discovery.error or ""):find(pattern) end, 20, pattern)
  end

  -- `text` is the zone from now on: see dns_server.
  local function say_names(text)
    system.write_file(directory .. "/zone.new", text)
    assert(os.rename(directory .. "/zone.new", directory .. "/zone"))
    names = names or dns_server.new():serve_aside(directory .. "/zone")
  end

  local function words_for_names()
    return ('resolver { servers = { %q }, timeout = "1s" }'):format(names.address)
  end

  it("the addresses of a name, by their TTL", function()
    say_names [[{ ["orders.test"] = { ttl = 0,
      A = { "\127\0\0\1", "\127\0\0\2" }, AAAA = { ("\0"):rep(15) .. "\1" } } }]]
    start('dns = "orders.test:8080", ttl_min = "100ms", retry_max = "100ms"', words_for_names())
    local all = "http://127.0.0.1:8080 1 0 other, http://127.0.0.2:8080 1 0 other, "
      .. "http://[::1]:8080 1 0 other"
    wait_for(all)
    say_names [[{ ["orders.test"] = { ttl = 0, A = { "\127\0\0\3" } } }]]
    wait_for "http://127.0.0.3:8080 1 0 other"
    say_names "{}" -- there is no such name any more
    wait_for_error "the list is empty"
    say_names [[{ ["orders.test"] = { ttl = 0, code = 2 } }]]
    wait_for_error "no name server could tell"
    assert.equal("http://127.0.0.3:8080 1 0 other", targets())
    -- For a minute nobody is asked again.
    say_names [[{ ["orders.test"] = { ttl = 60, A = { "\127\0\0\4" } } }]]
    wait_for "http://127.0.0.4:8080 1 0 other"
    local known = upstream().discovery
    assert.is_true(known.next - known.asked > 59)
  end)

  it("the addresses of one family while nobody tells those of the other, which stay", function()
    say_names [[{ ["orders.test"] = { ttl = 0,
      A = { "\127\0\0\1" }, AAAA = { ("\0"):rep(15) .. "\1" } } }]]
    start('dns = "orders.test:8080", ttl_min = "50ms", retry_max = "50ms", empty = true',
      words_for_names())
    wait_for "http://127.0.0.1:8080 1 0 other, http://[::1]:8080 1 0 other"
    say_names [[{ ["orders.test"] = { ttl = 0, A = { "\127\0\0\2" }, AAAA_code = 2 } }]]
    wait_for "http://127.0.0.2:8080 1 0 other, http://[::1]:8080 1 0 other"
    -- None of this family, and of the other one nobody knows: that is no list.
    say_names [[{ ["orders.test"] = { ttl = 0, AAAA_code = 2 } }]]
    wait_for_error "no name server could tell"
    assert.equal("http://127.0.0.2:8080 1 0 other, http://[::1]:8080 1 0 other", targets())
    say_names [[{ ["orders.test"] = { ttl = 0, A = { "\127\0\0\2" } } }]]
    wait_for "http://127.0.0.2:8080 1 0 other" -- there are none (NODATA)
  end)

  it("the services of a name: ports, weights, priorities as tiers", function()
    say_names [[{ ["_http._tcp.orders.test"] = { ttl = 0, SRV = {
      { 20, 0, 81, "B.orders.test" }, { 10, 60000, 80, "a.orders.test" },
      { 10, 30000, 82, "a.orders.test" }, { 20, 5, 83, "c.orders.test" } } } }]]
    start('srv = "_http._tcp.orders.test", ttl_min = "100ms", retry_max = "100ms"',
      words_for_names())
    local all = "http://a.orders.test:80 1000 0 other, http://a.orders.test:82 500 0 other, "
      .. "http://b.orders.test:81 1 1 other, http://c.orders.test:83 5 1 other"
    wait_for(all)
    say_names [[{ ["_http._tcp.orders.test"] = { ttl = 0, SRV = { { 0, 0, 0, "" } } } }]]
    wait_for_error "the list is empty" -- "." (RFC 2782): decidedly not there
    say_names [[{ ["_http._tcp.orders.test"] = { ttl = 0, SRV = { { 0, 0, 80, "a b" } } } }]]
    wait_for_error "no name server could tell"
    say_names [[{ ["_http._tcp.orders.test"] = { ttl = 0, SRV = { "\0\0\0" } } }]]
    wait_for_error "no name server could tell"
    assert.equal(all, targets())
  end)

  local function instance(address, node, port, weight, zone)
    return { Node = { Address = node }, Service = { Address = address, Port = port,
      Weights = { Passing = weight, Warning = 1 }, Meta = { zone = zone } } }
  end

  it("Consul's blocking queries", function()
    local agent = registry.start()
    agent:say("orders", json.encode { instance("", "10.0.0.1", 80, 1),
      instance("10.0.0.2", "10.0.0.1", 81, 5000, "a") }, 200, 7)
    start(([[consul = "%s/", service = "orders", tag = "a b", datacenter = "dc1", token = "secret!",
      wait = "20s", retry_max = "100ms"]]):format(agent.url), "workers(2)") -- and one asks
    wait_for "http://10.0.0.1:80 1 0 other, http://10.0.0.2:81 1000 0"
    local function asked(i)
      return wait.that(function() return agent:notes()[i] end, 20)
    end
    assert.same({ "/v1/health/service/orders?passing=1&tag=a%20b&dc=dc1", "secret!" },
      { asked(1).target, asked(1).token })
    assert.truthy(asked(2).target:find "&index=7&wait=20s$")
    agent:say("orders", json.encode { instance("", "10.0.0.3", 80, 1) }, 200, 9)
    wait_for "http://10.0.0.3:80 1 0 other"
    assert.truthy(asked(3).target:find "&index=9&")
    -- One that goes back or is none begins anew; so does one after a failure.
    agent:say("orders", json.encode { instance("", "10.0.0.4", 80, 1) }, 200, 3)
    wait_for "http://10.0.0.4:80 1 0 other"
    assert.is_nil(asked(4).target:find "index=")
    assert.truthy(asked(5).target:find "&index=3&")
    agent:say("orders", "rpc error", 500, 4)
    wait_for_error "it answered with 500"
    agent:say("orders", json.encode { instance("", "10.0.0.5:8080", 80, 1) }, 200, 5)
    wait_for_error "has no address or no port"
    assert.equal("http://10.0.0.4:80 1 0 other", targets())
    local text = http.request(self.admin_port, { path = "/config" }).body
    assert.is_nil(text:find("secret!", 1, true))
  end)

  it("Eureka's applications", function()
    local server = registry.start()
    local function said(fields)
      fields.dataCenterInfo = { name = "MyOwn" }
      return fields
    end
    local function port(number, enabled) return { ["$"] = number, ["@enabled"] = enabled } end
    server:say("ORDERS", json.encode { application = { name = "ORDERS", instance = {
      said { status = "UP", hostName = "One.test", ipAddr = "10.0.0.1", port = port(80, "true"),
        securePort = port(443, "false"), metadata = { zone = "a", weight = "3" } },
      said { status = "UP", hostName = "Two.test", ipAddr = "10.0.0.2", port = port(80, "false"),
        securePort = port("8443", "true"), metadata = json.null },
      said { status = "DOWN", ipAddr = "10.0.0.3" },
      said { status = "OUT_OF_SERVICE", ipAddr = "10.0.0.4", port = port(80, "true") },
    } } })
    start(('eureka = "%s/eureka", app = "ORDERS", interval = "100ms", retry_max = "100ms"'):format(
      server.url))
    local all = "http://10.0.0.1:80 3 0, https://two.test:8443 1 0 other"
    wait_for(all)
    assert.same({ "/eureka/apps/ORDERS", "application/json" },
      { server:notes()[1].target, server:notes()[1].accept })
    server:say("ORDERS", json.encode { application = { instance =
      said { status = "UP", ipAddr = "10.0.0.9" } } })
    wait_for_error "no port that is enabled"
    assert.equal(all, targets())
    server:say("ORDERS", json.encode { application = { instance = -- one is no list
      said { status = "UP", ipAddr = "10.0.0.9", port = port(8080, "true") } } })
    wait_for "http://10.0.0.9:8080 1 0 other"
    server:say("ORDERS", "", 404)
    wait_for_error "it answered with 404"
  end)
end)
