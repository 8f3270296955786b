--- varied: a time that is not the same for all gateways, so that they do not ask all at once.

local crypto = require "moongate.crypto"

--- Between `least` and `most` of the time. Truly random: workers are copies of one process.
---@param seconds number
---@param least number  share
---@param most number
---@return number seconds
return function(seconds, least, most)
  local high, low = crypto.random(2):byte(1, 2)
  return seconds * (least + (most - least) * (high * 256 + low) / 65536)
end
