--- registry: a peer that answers with what a file says by then, as registries of targets do.
--
-- The file of `/targets?x` is "targets" in its directory, that of a longer path is called by the
-- last part: "STATUS INDEX BODY", where the index is Consul's X-Consul-Index, or "-". A question
-- with `index=` equal to it waits until the file has another one, as an agent does.

local peer = require "spec.support.peer"
local system = require "spec.support.system"

local registry = {}

local function said(path)
  local status, index, body = (system.read_file(path) or "404 - []"):match "^(%d+) (%S+) (.*)$"
  return tonumber(status), index, body
end

local function answer(connection, directory, request)
  local path = directory .. "/" .. request.target:match "([^/?]+)%??[^/]*$"
  connection:note { target = request.target, token = request.headers["x-consul-token"],
    accept = request.headers.accept, key = request.headers["x-key"] }
  local asked = request.target:match "[?&]index=(%d+)"
  local status, index, body = said(path)
  local deadline = system.now() + 20
  while asked and asked == index and system.now() < deadline do
    connection:sleep(0.01)
    status, index, body = said(path)
  end
  local headers = { ["content-type"] = "application/json" }
  if index ~= "-" then headers["x-consul-index"] = index end
  return connection:answer(status, headers, body)
end

---@return Peer  with `say(name, body, status, index)`: what is answered from now on
function registry.start()
  local directory = system.temporary_directory()
  local self = peer.start(function(connection)
    local request = connection:read_request()
    while request and answer(connection, directory, request) do
      request = connection:read_request()
    end
  end)
  function self.say(_, name, body, status, index)
    local path = directory .. "/" .. name
    system.write_file(path .. ".new", ("%d %s %s"):format(status or 200, index or "-", body))
    assert(os.rename(path .. ".new", path))
  end
  return self
end

return registry
