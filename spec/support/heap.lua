--- heap: what requests leave in the Lua heap of a gateway that has one worker.

local http = require "spec.support.http"

local heap = {}

-- Stops the collector, so that what is allocated shows, until it is asked to go on.
heap.FILES = { ["plugins/heap.lua"] = [[
  local moongate = require "moongate"
  return {
    summary = "Tells the size of the Lua heap.",
    options = {},
    respond = function(_, req)
      if req.query.goes_on then collectgarbage "restart" else collectgarbage "stop" end
      return moongate.reply.text(200, ("%.0f"):format(collectgarbage "count" * 1024))
    end,
  }
]] }
--- Of the configuration; its requests are the gateway's as well.
heap.ROUTE = [[
  route "GET /heap" { plugins = { { "heap" } } }
]]

--- How large it is.
---@param port integer  of the gateway
---@return number bytes
function heap.bytes(port)
  return tonumber(http.request(port, { path = "/heap" }).body)
end

--- What each request leaves there, without what asking for it does.
---@param port integer
---@param count integer?  nil: `ask` returns it
---@param ask fun(): integer?  makes so many requests
---@return number bytes
function heap.left_by_each(port, count, ask)
  local idle = heap.bytes(port)
  local before = heap.bytes(port)
  local made = ask() or count
  return (heap.bytes(port) - before - (before - idle)) / made
end

--- What is garbage is collected again.
---@param port integer
function heap.goes_on(port) http.request(port, { path = "/heap?goes_on=1" }) end

return heap
