--- route_host: the host of a route as it is written, "api.example.com" or "*.example.com".

local route_host = {}

-- RFC 1035, 2.3.4.
local NAME_BYTES_MAX = 253
local LABEL_BYTES_MAX = 63

-- Registered names as clients send them: letters, digits, "-", and "_" as some do.
local function label_error(label)
  if label == "" then return "has an empty label" end
  if #label > LABEL_BYTES_MAX then
    return ("has a label of more than %d bytes"):format(LABEL_BYTES_MAX)
  elseif label:find("*", 1, true) then
    return "has a \"*\"; expected it only in front, as in \"*.example.com\""
  end
  local bad = label:match "[^a-z0-9_-]"
  if bad and bad:byte() >= 128 then return "is not in ASCII; expected its xn-- form" end
  if bad then return ("has a \"%s\"; expected a host name like \"api.example.com\""):format(bad) end
  return nil
end

local function name_error(name)
  if #name > NAME_BYTES_MAX then return ("is longer than %d bytes"):format(NAME_BYTES_MAX) end
  for label in (name .. "."):gmatch "([^.]*)%." do
    local message = label_error(label)
    if message then return message end
  end
  return nil
end

-- Mistakes that deserve a better answer than the character they fail at.
local function form_error(text)
  if text == "" then return "is empty; leave it out for any host" end
  if text == "*" then return "stands for any host; leave it out instead" end
  if text:find("://", 1, true) then return "is a URL; expected a host name alone" end
  if text:find "^[^:]*:%d*$" then return "has a port; expected a host name alone" end
  return nil
end

--- Checks a host name, and puts it into the form in which names are compared.
---@param text string
---@return string? host     lower case, without a trailing dot, an IPv6 address without its brackets
---@return string? message  a sentence: "host \"a b\" has …"
function route_host.parse(text)
  local message = form_error(text)
  local host = text:lower():gsub("^(.+)%.$", "%1")
  local address = host:match "^%[([%x:.]+)%]$"
  if not message and address then return address end
  message = message or name_error((host:gsub("^%*%.", "")))
  if message then return nil, ("host \"%s\" %s"):format(text, message) end
  return host
end

return route_host
