--- fault_spec: what every way to fail means for the client, the log and a retry.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "base/fault.h"

local function string_of(pointer)
  return pointer ~= nil and ffi.string(pointer) or nil
end

-- RFC 9209, section 2.3, as far as a gateway can have them.
local PROXY_STATUS = {}
for name in ([[
  dns_timeout dns_error destination_not_found destination_unavailable
  destination_ip_prohibited destination_ip_unroutable connection_refused
  connection_terminated connection_timeout connection_read_timeout
  connection_write_timeout connection_limit_reached tls_protocol_error
  tls_certificate_error tls_alert_received http_request_error
  http_request_denied http_response_incomplete http_response_header_section_size
  http_response_header_size http_response_body_size http_response_trailer_section_size
  http_response_trailer_size http_response_transfer_coding http_response_content_coding
  http_response_timeout http_upgrade_failed http_protocol_error proxy_internal_response
  proxy_internal_error proxy_configuration_error proxy_loop_detected
]]):gmatch "%S+" do PROXY_STATUS[name] = true end

local function each_fault(body)
  for fault = 1, tonumber(ffi.cast("int", C.FAULT_COUNT)) - 1 do body(fault) end
end

describe("fault", function()
  it("none means success and says nothing", function()
    assert.equal(0, C.fault_status(C.FAULT_NONE))
    assert.equal("", ffi.string(C.fault_text(C.FAULT_NONE)))
    assert.is_false(C.fault_is_retryable(C.FAULT_NONE))
  end)

  it("gives every fault a status that is an error", function()
    each_fault(function(fault)
      local status = C.fault_status(fault)
      assert.is_true(status >= 400 and status <= 599)
    end)
  end)

  it("gives every fault a type of lower-case words", function()
    each_fault(function(fault)
      assert.matches("^%l[%l-]*%l$", ffi.string(C.fault_type(fault)))
    end)
  end)

  it("gives every fault a sentence", function()
    each_fault(function(fault)
      assert.matches("^%u.*%.$", ffi.string(C.fault_text(fault)))
    end)
  end)

  it("uses only error types that RFC 9209 has", function()
    each_fault(function(fault)
      local name = string_of(C.fault_proxy_status(fault))
      assert.is_true(name == nil or PROXY_STATUS[name], name)
    end)
  end)

  it("names an upstream's fault in Proxy-Status, never a client's", function()
    each_fault(function(fault)
      local name, status = string_of(C.fault_proxy_status(fault)), C.fault_status(fault)
      -- Who wants nothing but what is stored gets 504 (RFC 9111, 5.2.1.7): nobody was asked.
      -- The time that a client gives is his own.
      local is_ours = fault == C.FAULT_NOT_CACHED or fault == C.FAULT_DEADLINE_ENDED
      local is_upstreams = not is_ours and (status == 502 or status == 504)
      if is_upstreams then assert.is_string(name) end
      if status < 500 then assert.is_nil(name) end
    end)
  end)

  it("lets another target be tried only before the first could answer", function()
    local retryable = {}
    each_fault(function(fault)
      if C.fault_is_retryable(fault) then
        retryable[#retryable + 1] = ffi.string(C.fault_type(fault))
      end
    end)
    table.sort(retryable)
    assert.same({
      "upstream-certificate-error", "upstream-closed", "upstream-connect-timeout",
      "upstream-dns-error", "upstream-dns-timeout", "upstream-refused", "upstream-tls-error",
      "upstream-unroutable",
    }, retryable)
  end)

  it("maps the faults that operators meet first", function()
    for name, expected in pairs {
      REQUEST_MALFORMED = { 400, "malformed-request", nil },
      REQUEST_HEAD_TOO_LARGE = { 431, "request-head-too-large", nil },
      ROUTE_MISSING = { 404, "no-route", nil },
      UPSTREAM_REFUSED = { 502, "upstream-refused", "connection_refused" },
      UPSTREAM_TIMEOUT = { 504, "upstream-timeout", "http_response_timeout" },
      UPSTREAM_INCOMPLETE = { 502, "upstream-incomplete", "http_response_incomplete" },
    } do
      local fault = C["FAULT_" .. name]
      assert.equal(expected[1], C.fault_status(fault))
      assert.equal(expected[2], ffi.string(C.fault_type(fault)))
      assert.equal(expected[3], string_of(C.fault_proxy_status(fault)))
    end
  end)

  it("ends the process on a number that is no fault", function()
    assert.equal(-6, runtime.end_of(function() C.fault_status(C.FAULT_COUNT) end))
  end)
end)
