--- session: what is kept for a client from one request to the next: `req.session`.
--
--     req.session:set("cart", { 7, 12 })
--     local cart = req.session:get "cart"
--
-- The plugin `session` puts it there, and writes it into a cookie with the answer when something
-- has changed. So it has room for about 2.9 KB of JSON; clients cannot read it.

local crypto = require "moongate.crypto"
local json = require "moongate.json"
local time = require "moongate.time"

local ID_BYTES = 16

---@class Session
---@field id string         another one after sign_in()
---@field consumer string?  name of the consumer who has signed in
---@field started number    milliseconds since the epoch
---@field is_new boolean    the client has sent none
local Session = {}
Session.__index = Session

--- What was set by that name; nil: nothing. To be changed by set() alone.
---@param name string
---@return any
function Session:get(name) return self.data[name] end

--- Keeps a value: a text, a number, a boolean, or a table of these. nil removes it. Raises when the
--- cookie would be too large, and when it is too late: in the phases behind `response`.
---@param name string
---@param value any
function Session:set(name, value)
  if self.is_written then error("the session's cookie has been written already", 2) end
  json.encode(value) -- raises for what JSON has no way to say, before anything is changed
  local before = self.data[name]
  self.data[name] = value
  local text = json.encode(self.data)
  if #text > self.room then
    self.data[name] = before
    error(("the session would have %d bytes of JSON; its cookie holds %d"):format(#text,
      self.room), 2)
  end
  self.is_changed = true
end

--- The client is this consumer from now on, in a session with another id: who knew the one before
--- is not signed in by that. What somebody else had in it is gone.
---@param consumer Consumer
function Session:sign_in(consumer)
  if self.is_written then error("the session's cookie has been written already", 2) end
  if self.consumer and self.consumer ~= consumer.name then self.data = {} end
  self.id, self.consumer = crypto.base64url(crypto.random(ID_BYTES)), consumer.name
  self.started, self.is_changed, self.is_destroyed = math.floor(time.now() * 1000), true, false
end

--- Ends it: the client is told to forget its cookie. That others have a copy of it, only the
--- plugin's `revocation` helps against.
function Session:destroy()
  if self.is_written then error("the session's cookie has been written already", 2) end
  self.data, self.consumer, self.is_changed, self.is_destroyed = {}, nil, false, true
end

local session = {}

--- For the plugin: a session of nobody yet.
---@param room integer  bytes of JSON that fit into its cookie
---@return Session
function session.new(room)
  return setmetatable({ id = crypto.base64url(crypto.random(ID_BYTES)), data = {}, room = room,
    started = math.floor(time.now() * 1000), is_new = true }, Session)
end

--- For the plugin: the one that a cookie had.
---@param room integer
---@param record table  as it was sealed
---@return Session
function session.of(room, record)
  return setmetatable({ id = record.i, data = record.d or {}, consumer = record.c,
    started = record.s, written = record.w, room = room, is_new = false }, Session)
end

return session
