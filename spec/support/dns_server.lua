--- dns_server: a name server over UDP on a free port of 127.0.0.1, served when asked to.

local bit = require "bit"
local process = require "spec.support.process"
local select = require("socket").select
local system = require "spec.support.system"
local udp = require("socket").udp

local TYPES = { [1] = "A", [28] = "AAAA", [33] = "SRV" }
local NUMBERS = { A = 1, AAAA = 28, SRV = 33 }
local NXDOMAIN = 3
local POINTER_TO_QUESTION = "\192\12"

---@class DnsServer
---@field zone table<string, table> by name: `A` and `AAAA` are lists of addresses as four or
--- sixteen bytes, `SRV` one of `{ priority, weight, port, host }`, or of texts that are sent as
--- they are; `ttl` their seconds, `alias` the name they really have, `code` an error code,
--- `AAAA_code` one for that type alone
---@field asked string[] "NAME TYPE" of each question, in order
---@field is_silent boolean reads, but does not answer
local DnsServer = {}
DnsServer.__index = DnsServer

local dns_server = {}

local function number(value, size)
  local bytes = {}
  for i = size, 1, -1 do
    bytes[#bytes + 1] = string.char(bit.band(bit.rshift(value, (i - 1) * 8), 0xff))
  end
  return table.concat(bytes)
end

local function wire_name(name)
  return name:gsub("[^.]+%.?", function(label)
    label = label:gsub("%.$", "")
    return string.char(#label) .. label
  end) .. "\0"
end

-- Name and type of the first question, and its bytes.
local function question_of(query)
  local labels, at = {}, 13
  while query:byte(at) > 0 do
    labels[#labels + 1] = query:sub(at + 1, at + query:byte(at))
    at = at + 1 + query:byte(at)
  end
  local kind = query:byte(at + 1) * 256 + query:byte(at + 2)
  return table.concat(labels, "."):lower(), TYPES[kind] or kind, query:sub(13, at + 4)
end

local function record(owner, kind, ttl, data)
  return owner .. number(kind, 2) .. number(1, 2) .. number(ttl, 4) .. number(#data, 2) .. data
end

local function answers_of(entry, kind)
  local records, owner = {}, POINTER_TO_QUESTION
  if entry.alias then
    owner = wire_name(entry.alias)
    records[1] = record(POINTER_TO_QUESTION, 5, entry.alias_ttl or entry.ttl, owner)
  end
  for _, data in ipairs(entry[kind] or {}) do
    if type(data) == "table" then
      data = number(data[1], 2) .. number(data[2], 2) .. number(data[3], 2) .. wire_name(data[4])
    end
    records[#records + 1] = record(owner, NUMBERS[kind], entry.ttl, data)
  end
  return records
end

local function answer(query, zone)
  local name, kind, question = question_of(query)
  local entry = zone[name]
  local records = entry and answers_of(entry, kind) or {}
  local code = entry and (entry[kind .. "_code"] or entry.code or 0) or NXDOMAIN
  return query:sub(1, 2) .. "\129" .. string.char(128 + code) .. number(1, 2)
    .. number(#records, 2) .. number(0, 4) .. question .. table.concat(records)
end

---@return DnsServer
function dns_server.new()
  local socket = assert(udp())
  assert(socket:setsockname("127.0.0.1", 0))
  socket:settimeout(0)
  local _, port = socket:getsockname()
  return setmetatable({ socket = socket, address = "127.0.0.1:" .. port, zone = {}, asked = {} },
    DnsServer)
end

--- Answers all that has come in.
function DnsServer:serve()
  while true do
    local query, host, port = self.socket:receivefrom()
    if not query then return end
    local name, kind = question_of(query)
    self.asked[#self.asked + 1] = name .. " " .. kind
    if not self.is_silent then self.socket:sendto(answer(query, self.zone), host, port) end
  end
end

--- Serves from now on in a process of its own; what is in the zone by then is answered from it, and
--- `file`, when it is there, is read for each question: a Lua table that takes the zone's place.
---@param file string?
---@return DnsServer
function DnsServer:serve_aside(file)
  self.aside = process.fork(function()
    while true do
      if select({ self.socket }, nil, 1)[1] then
        local text = file and system.read_file(file)
        if text then self.zone = assert(loadstring("return " .. text))() end
        self:serve()
      end
    end
  end)
  return self
end

function DnsServer:close()
  if self.aside then self.aside:kill() end
  self.socket:close()
end

return dns_server
