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
      { "unix:/run/a.sock", { host = "/run/a.sock", port = 0, tls = false } },
    }
    for _, row in ipairs(rows) do assert.same(row[2], upstreams.target(row[1])) end
  end)

  it("refuses what is no target", function()
    for _, url in ipairs { "", "a", "a:80", "ftp://a", "http://", "http://a/path", "http://u@a",
      "http://a:0", "http://a:65536", "http://a b", "http://a?q", "unix:a", 7 } do
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
