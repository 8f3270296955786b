--- unknown: says which verb was probably meant by one that there is not.

local nearest = require "moongate.config.nearest"

local unknown = {}

---@param words string[]  what was written, then the verbs that there are
---@return integer code
function unknown.main(words)
  local verbs = {}
  for i = 2, #words do verbs[i - 1] = words[i] end
  local hint = nearest.hint(words[1], verbs)
  io.stderr:write(("moongate: there is no verb %q%s\n"):format(words[1], hint))
  return 2
end

return unknown
