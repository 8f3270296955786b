local upstreams = require "moongate.config.upstreams"

describe("config.upstreams", function()
  local function of(name, fields)
    local messages = {}
    local declaration = { at = "g:1", name = name, fields = fields }
    local declared = { folder = "conf", upstreams = { declaration } }
    local list = upstreams.of(declared, function(_, message) messages[#messages + 1] = message end)
    return list[1], table.concat(messages, "\n")
  end

  it("takes URLs apart", function()
    local rows = {
      { "http://a", { host = "a", port = 80, tls = false } },
      { "https://a/", { host = "a", port = 443, tls = true } },
      { "http://10.0.0.1:9000", { host = "10.0.0.1", port = 9000, tls = false } },
      { "http://[::1]:90", { host = "::1", port = 90, tls = false } },
      { "http://[::ffff:10.0.0.1]", { host = "::ffff:10.0.0.1", port = 80, tls = false } },
      { "http://[fe80::1%eth0]", { host = "fe80::1%eth0", port = 80, tls = false } },
      { "unix:/run/a.sock", { host = "/run/a.sock", port = 0, tls = false } },
    }
    for _, row in ipairs(rows) do assert.same(row[2], upstreams.target(row[1])) end
  end)

  it("refuses what is no target", function()
    for _, url in ipairs { "", "a", "a:80", "ftp://a", "http://", "http://a/path", "http://u@a",
      "http://a:0", "http://a:65536", "http://a b", "http://a?q", "unix:a", 7,
      "http://10.0.0.1:9O00", "http://a:1e4", "http://a:", "http://::1", "http://[a]", "http://[]",
      "http://[::1", "http://[:::]", "http://[1.2.3.4]", "http://[::1]a:80" } do
      local target, message = upstreams.target(url)
      assert.is_nil(target, tostring(url))
      assert.truthy(message:find "^the target is .*; expected", tostring(url))
    end
  end)

  it("has targets with weights", function()
    local upstream, wrong = of("users", { "http://a", { "http://b", weight = 3 } })
    assert.equal("", wrong)
    assert.same({ 1, 3 }, { upstream.targets[1].weight, upstream.targets[2].weight })
    assert.equal("round_robin", upstream.balance)
    assert.is_true(upstream.tls.verify)
  end)

  describe("discovers", function()
    local function discovered(discover)
      local upstream, wrong = of("users", { discover = discover })
      return upstream.discover, wrong, upstream
    end

    it("by one source, with what belongs to it", function()
      local options, wrong, upstream = discovered { dns = "orders.internal:8443", scheme = "https" }
      assert.equal("", wrong)
      assert.same({ "dns", "orders.internal", 8443, 1, 300 }, { options.kind, options.host,
        options.port, options.ttl_min, options.ttl_max })
      assert.equal("orders.internal", upstream.tls.server_name)
      assert.same({}, upstream.targets)
      options = discovered { file = "targets.json" }
      assert.same({ "conf/targets.json", 1 }, { options.path, options.interval })
      for _, good in ipairs { { srv = "_http._tcp.a" }, { http = "http://a/b?c=d" },
        { consul = "https://a:8501", service = "b", tag = "c", token = "d" },
        { eureka = "http://a/eureka", app = "B" }, { dns = "a", ttl_max = "1h" } } do
        assert.equal("", (select(2, discovered(good))))
      end
    end)

    it("and says all that is wrong with it", function()
      for message, discover in pairs {
        ["discover is \"a\"; expected a table"] = "a",
        ["discover has no source; expected one of dns, srv, file"] = {},
        ["discover has dns and http; expected one of them"] = { dns = "a", http = "http://b" },
        ["discover.interval is for file, http, eureka, not for dns"] = { dns = "a",
          interval = 1 },
        ["discover.service is missing; consul needs it"] = { consul = "http://a" },
        ["discover.app is missing; eureka needs it"] = { eureka = "http://a" },
        ["discover.tag is for consul, not for eureka"] = { eureka = "http://a", app = "b",
          tag = "c" },
        ['discover.dns is "http://a"; expected "name:port"'] = { dns = "http://a" },
        ['discover.srv is "a:80"; expected a name'] = { srv = "a:80" },
        ['discover.http is "ftp://a"; expected a URL'] = { http = "ftp://a" },
        ["discover.http has a user in its URL"] = { http = "http://a:b@c" },
        ["discover.consl is not known here; did you mean"] = { consl = "http://a" },
        ["discover.targets is 2000; expected between 1 and 1024"] = { dns = "a",
          targets = 2000 },
        ["discover.ttl_min is more than ttl_max"] = { dns = "a", ttl_min = 9, ttl_max = 3 },
        ["discover.headers.a b is no field"] = { http = "http://a", headers = { ["a b"] = "c" } },
      } do
        local _, wrong = discovered(discover)
        assert.truthy(wrong:find(message, 1, true), message .. ": " .. wrong)
      end
      local _, wrong = of("users", { "http://a", discover = { dns = "a" } })
      assert.truthy(wrong:find "has targets and discover; expected one of them")
    end)
  end)

  local function wrong_of(fields)
    fields[1] = fields[1] or "http://a"
    return (select(2, of("users", fields)))
  end

  it("is balanced by what is told it", function()
    assert.equal("", wrong_of { balance = "hash", by = "header:x-user", bound = 0 })
    assert.equal("", wrong_of { sticky = {}, slow_start = "30s", spill = 1, panic = 0.3 })
    assert.equal("", wrong_of { { "http://a", priority = 15, backup = true, zone = "x" } })
    for message, fields in pairs {
      ['balance = "hash" needs by'] = { balance = "hash" },
      ['by is for balance = "hash"'] = { by = "address" },
      ["balance is \"hsah\"; expected one of"] = { balance = "hsah" },
      ["bound is 0.5; expected between 1 and 100"] = { balance = "hash", by = "address",
        bound = 0.5 },
      ["target 1.priority is 16; expected between 0 and 15"] = { { "http://a", priority = 16 } },
      ['sticky.cookie is "a b"; expected a token'] = { sticky = { cookie = "a b" } },
      ["sticky.cookie is 7; expected a string"] = { sticky = { cookie = 7, path = 7 } },
      ['sticky.path is "x; Domain=y"; expected a path'] = { sticky = { path = "x; Domain=y" } },
      ["sticky.key is too short"] = { sticky = { key = "short" } },
      ['sticky.same_site = "none" needs secure'] = { sticky = { same_site = "none",
        secure = false } },
    } do
      local said = wrong_of(fields)
      assert.truthy(said:find(message, 1, true), said)
    end
    assert.is_nil(wrong_of({ sticky = { key = "short" } }):find '"short"')
  end)

  it("has targets that are asked how they are", function()
    local upstream, wrong = of("users", { "http://a",
      health = { path = "/up?full=1", status = { 204, "3xx", "400-401" } }, outliers = {} })
    assert.equal("", wrong)
    assert.equal("204-204,300-399,400-401", upstream.health.ranges)
    assert.equal(0.5, upstream.outliers.share)
    for message, health in pairs {
      ['health.status[1] is "600"; expected 204, "2xx" or "200-399"'] = { status = { "600" } },
      ['health.status[1] is "300-200"; expected'] = { status = { "300-200" } },
      ['health.path is "up"; expected a path'] = { path = "up" },
      ["health.path is 7; expected a string"] = { path = 7, status = 7 },
      ['health.host is "a b"; expected a host'] = { host = "a b" },
      ['health.intervall is not known here; did you mean "interval"?'] = { intervall = 1 },
      ["health.interval is 0.01; expected at least 0.1"] = { interval = 0.01 },
    } do
      local said = wrong_of { health = health }
      assert.truthy(said:find(message, 1, true), said)
    end
    local many = {}
    for i = 1, 17 do many[i] = 200 + i end
    assert.truthy(wrong_of({ health = { status = many } }):find("more than 16", 1, true))
  end)

  it("has a limit of requests at once, and a queue", function()
    local upstream, wrong = of("users", { "http://a", adaptive = {}, queue = {} })
    assert.equal("", wrong)
    assert.same({ 4, 1000, 20 },
      { upstream.adaptive.min, upstream.adaptive.max, upstream.adaptive.initial })
    assert.equal(0.5, upstream.queue.deadline)
    assert.equal(8, of("users", { "http://a", adaptive = { max = 8 } }).adaptive.initial)
    for message, adaptive in pairs {
      ["adaptive.min is 9; expected at most max, 8"] = { min = 9, max = 8 },
      ["adaptive.initial is 9; expected 4 to 8"] = { max = 8, initial = 9 },
      ["adaptive.tolerance is 1; expected between 1.05 and 10"] = { tolerance = 1 },
    } do
      local said = wrong_of { adaptive = adaptive }
      assert.truthy(said:find(message, 1, true), said)
    end
    assert.truthy(wrong_of({ queue = { order = "last" } }):find("queue.order", 1, true))
  end)

  it("may be one URL", function()
    assert.equal("a", of("users", "http://a").targets[1].host)
  end)

  it("says all that is wrong", function()
    local _, wrong = of("users", { "x", { "http://a", wieght = 2 }, balanc = "least_conn" })
    assert.truthy(wrong:find('balanc is not known here; did you mean "balance"?', 1, true))
    assert.truthy(wrong:find('the target is "x"; expected', 1, true))
    assert.truthy(wrong:find('target 2.wieght is not known here; did you mean "weight"?', 1, true))
    assert.truthy(select(2, of("users", {})):find("it has no target", 1, true))
    assert.truthy(select(2, of("users", 7)):find("is 7; expected a table", 1, true))
    assert.truthy(select(2, of("a b", { "http://a" })):find("the name may have", 1, true))
    assert.truthy(select(2, of("a", { "http://a", tls = { cert = "c" } }))
      :find("tls.key is missing", 1, true))
  end)

  it("has a name of its own", function()
    local messages = {}
    upstreams.of({ folder = ".", upstreams = {
      { at = "g:1", name = "a", fields = "http://a" },
      { at = "g:2", name = "a", fields = "http://b" },
    } }, function(at, message) messages[#messages + 1] = at .. ": " .. message end)
    assert.same({ 'g:2: upstream "a": is declared already at g:1' }, messages)
  end)

  it("seeks TLS files beside the configuration", function()
    local upstream = of("users", { "https://a", tls = { ca = "ca.pem", server_name = "b" } })
    assert.same({ verify = true, ca = "conf/ca.pem", server_name = "b" }, upstream.tls)
  end)
end)
