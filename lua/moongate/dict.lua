--- dict: a dictionary of strings and whole numbers that all workers share, with a time to live.
--
--     local seen = moongate.dict "seen"
--     if seen:add(nonce, "1", 300) then ... end

local bridge = require "moongate.ffi"
local is_whole = require "moongate.whole"

local C, must_serve = bridge.C, bridge.must_serve

---@class Dict
---@field prefix string
local Dict = {}
Dict.__index = Dict

local text = bridge.new "struct slice[1]"
local number = bridge.new "double[1]"

local WHY = {
  [C.MOON_DICT_NOT_INTEGER] = "the value is not a number",
  [C.MOON_DICT_OUT_OF_RANGE] = "the sum is out of range",
  [C.MOON_DICT_TOO_LARGE] = "the key or the value is too large",
  [C.MOON_DICT_NO_ROOM] = "the dictionary is full",
}

local function check_number(value, level)
  if not is_whole(value) then
    error("a dictionary holds strings and whole numbers", level)
  end
end

-- 0: for good.
local function check_seconds(seconds, level)
  if seconds == nil then return 0 end
  if type(seconds) ~= "number" or seconds <= 0 or seconds ~= seconds then
    error("what is stored lives for seconds above 0", level)
  end
  return seconds
end

--- The value, or nil when there is none.
---@param key string
---@return string|integer?
function Dict:get(key)
  must_serve "a dictionary"
  key = self.prefix .. key
  if C.moon_dict_get(bridge.generation, key, #key, text, number) ~= 0 then return nil end
  if text[0].start ~= nil then return bridge.string(text[0].start, text[0].length) end
  return number[0]
end

local function store(self, key, value, seconds, only_new)
  seconds = check_seconds(seconds, 4)
  key = self.prefix .. key
  if type(value) == "string" then
    return C.moon_dict_set(bridge.generation, key, #key, value, #value, 0, seconds, only_new)
  end
  check_number(value, 4)
  return C.moon_dict_set(bridge.generation, key, #key, nil, 0, value, seconds, only_new)
end

--- Stores a value, for `seconds` or for good.
---@param key string
---@param value string|integer
---@param seconds number?
---@return boolean stored
---@return string? why   when it was not
function Dict:set(key, value, seconds)
  must_serve "a dictionary"
  local outcome = store(self, key, value, seconds, false)
  return outcome == 0, WHY[outcome]
end

--- Stores a value where there is none: false without a reason when there is one.
---@param key string
---@param value string|integer
---@param seconds number?
---@return boolean stored
---@return string? why
function Dict:add(key, value, seconds)
  must_serve "a dictionary"
  local outcome = store(self, key, value, seconds, true)
  return outcome == 0, WHY[outcome]
end

--- Adds to a number, which begins at 0; exact over all workers.
---@param key string
---@param amount integer?   default 1
---@param seconds number?   to live, when it begins
---@return integer? sum
---@return string? why
function Dict:increment(key, amount, seconds)
  must_serve "a dictionary"
  amount = amount or 1
  check_number(amount, 3)
  check_seconds(seconds, 3)
  key = self.prefix .. key
  number[0] = amount
  local outcome = C.moon_dict_increment(bridge.generation, key, #key, number, seconds or 0)
  if outcome ~= 0 then return nil, WHY[outcome] end
  return number[0]
end

---@param key string
---@return boolean deleted  false when there was none
function Dict:delete(key)
  must_serve "a dictionary"
  key = self.prefix .. key
  return C.moon_dict_delete(bridge.generation, key, #key) == 0
end

--- The part of the dictionary that goes by `name`.
---@param name string
---@return Dict
return function(name)
  if type(name) ~= "string" then error("a dictionary needs a name", 2) end
  return setmetatable({ prefix = name .. "\0" }, Dict)
end
