local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"

describe("counter", function()
  after_each(gateway.stop_all)

  it("is one number of all workers", function()
    local moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      workers(2)
      says("/add", function(req, m) m.counter "app_hits_total":add(2) end)
      says("/sum", function(req, m) return m.counter "app_hits_total":with():value() end)
    ]==] }
    for _ = 1, 20 do http.request(moongate.port, { path = "/add" }) end
    assert.equal("40", http.request(moongate.port, { path = "/sum" }).body)
  end)
end)
