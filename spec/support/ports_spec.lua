local ports = require "spec.support.ports"
local process = require "spec.support.process"
local socket = require "spec.support.socket"

describe("ports", function()
  it("gives each number once, and listening there works", function()
    local seen = {}
    for _ = 1, 50 do
      local port = ports.free()
      assert.is_nil(seen[port])
      seen[port] = true
      socket.listen("127.0.0.1", port):close()
    end
  end)

  it("passes over what somebody listens on", function()
    local port = ports.free()
    local listener = socket.listen("127.0.0.1", port + 1)
    assert.not_equal(port + 1, ports.free())
    listener:close()
  end)

  it("are claimed against other processes, as long as this one lives", function()
    local function can_claim(port)
      local text = ([[
        package.path = "./?.lua;" .. package.path
        print(require("spec.support.ports").claim(%d))
      ]]):format(port)
      local code, out, err = process.run { "luajit", "-e", text }
      assert.equal(0, code, err)
      return out == "true\n"
    end
    local port = ports.free()
    assert.is_false(can_claim(port))
    assert.is_true(can_claim(port + 1)) -- and gives it back as it ends
    assert.is_true(ports.claim(port + 1))
    assert.is_false(can_claim(port + 1))
  end)
end)
